/** Parses versions as etcd does, which is more lenient than the standard: leading zeros, empty suffixes. */

export interface SemanticVersion {
  readonly major: number;
  readonly minor: number;
}

const IDENTIFIERS = /^[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*$/;
const NUMBERS = /^(\d+)\.(\d+)\.(\d+)$/;
const INT64_MAX = (1n << 63n) - 1n;

/** Returns major and minor of "3.6.1-rc.1+build" or of "3.6"; undefined for any other text. */
export function parseVersion(text: string): SemanticVersion | undefined {
  return parseWhole(text) ?? parseWhole(`${text}.0`);
}

function parseWhole(text: string): SemanticVersion | undefined {
  const [withPreRelease, metadata] = cut(text, "+");
  const [numbers, preRelease] = cut(withPreRelease, "-");
  if ([metadata, preRelease].some((suffix) => suffix !== "" && !IDENTIFIERS.test(suffix))) return undefined;
  const parts = NUMBERS.exec(numbers)?.slice(1).map(BigInt);
  if (parts === undefined || parts.some((part) => part > INT64_MAX)) return undefined;
  const [major, minor] = parts.map(Number);
  return major === undefined || minor === undefined ? undefined : { major, minor };
}

/** Returns the parts before and after the first `mark`. */
function cut(text: string, mark: string): readonly [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
