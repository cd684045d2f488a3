/** Peer addresses in the one form logs and client info use. */

/** An address as sockets report it, in its shortest text; IPv4-mapped IPv6 becomes IPv4. Other texts pass unchanged. */
export function canonicalAddress(address: string): string {
  const bare = address.split('%', 1)[0] ?? address;
  if (!bare.includes(':')) return bare;
  if (!URL.canParse(`http://[${bare}]`)) return bare;
  const short = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short);
  if (mapped?.[1] === undefined || mapped[2] === undefined) return short;
  const high = Number.parseInt(mapped[1], 16);
  const low = Number.parseInt(mapped[2], 16);
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/** Addresses that one host may choose from freely count as one: an IPv6 network of 64 bits. Takes canonical addresses. */
export function addressGroup(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::', 2);
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => '0');
  return `${[...left, ...zeros, ...right].slice(0, 4).join(':')}::/64`;
}
