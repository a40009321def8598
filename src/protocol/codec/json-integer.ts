/**
 * Integers in protojson: a JSON number or a string that contains one, in any spelling that is an integer (`100`, `1e2`,
 * `100.0`). They are never converted to a float: ids have 64 bits.
 */

const NUMBER = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/;
/** The largest uint64 has twenty digits. A longer number is too large in any case. */
const DIGITS_MAX = 20;

export const INT64_MIN = -0x8000_0000_0000_0000n;
export const INT64_MAX = 0x7fff_ffff_ffff_ffffn;
export const UINT64_MAX = 0xffff_ffff_ffff_ffffn;

/**
 * Returns the number at the start of a string. protojson reads one token of the string, which most characters end, and
 * ignores the rest. Only space around it is rejected.
 */
export function numberIn(text: string): string {
  const end = text.search(/[^-+._0-9A-Za-z]/);
  return end === -1 || text !== text.trim() ? text : text.slice(0, end);
}

/** Returns undefined if the text is no number, no integer, or far beyond 64 bits. */
export function integerOf(text: string): bigint | undefined {
  const parts = NUMBER.exec(text);
  if (parts === null) return undefined;
  const [, sign, whole = "", fraction = "", exponentText = "0"] = parts;
  const digits = (whole === "0" ? "" : whole) + fraction.replace(/0+$/, "");
  if (/^0*$/.test(digits)) return 0n;
  const exponent = Number(exponentText);
  // The position of the decimal point to the right of the last digit; negative if it is inside the digits.
  const shift = exponent - (digits.length - (whole === "0" ? 0 : whole.length));
  const length = digits.length + shift;
  if (length > DIGITS_MAX * 2 || length < 1) return undefined;
  const tail = shift < 0 ? digits.slice(length) : "";
  if (!/^0*$/.test(tail)) return undefined;
  const integer = BigInt(shift < 0 ? digits.slice(0, length) : digits + "0".repeat(shift));
  return sign === "-" ? -integer : integer;
}
