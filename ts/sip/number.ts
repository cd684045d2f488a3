/** One form for a phone number: digits behind a `+`. What is no number stays as it is. */
export function normalizeNumber(number: string): string {
  if (!PHONE_NUMBER.test(number)) return number;
  const digits = number.replace(/[ \-()]/g, '');
  return digits.startsWith('+') ? digits : `+${digits}`;
}

export function sameNumber(one: string, other: string): boolean {
  return one === other || normalizeNumber(one) === normalizeNumber(other);
}

const PHONE_NUMBER = /^\+?[\d\- ()]+$/;
