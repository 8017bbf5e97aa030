/** Makes frames for tests, independently of what reads them. */
export function frameBytes(header, body = '') {
  const head = Buffer.from(JSON.stringify(header));
  const rest = Buffer.from(body);
  const lengths = Buffer.alloc(6);
  lengths.writeUInt32BE(2 + head.length + rest.length, 0);
  lengths.writeUInt16BE(head.length, 4);
  return new Uint8Array(Buffer.concat([lengths, head, rest]));
}
