"""Static files and templates; a package only so that the services find them."""
