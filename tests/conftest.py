"""For all tests: Ctrl-C works in the processes that they start, wherever the tests themselves were started."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background job; a child would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
