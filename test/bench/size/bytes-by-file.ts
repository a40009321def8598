/**
 * Which file each byte of a minified chunk comes from, by its source map. What no file is named for (the bundler's own
 * helpers, imports and exports) is counted under the empty name.
 */

export interface MappedCode {
  readonly code: string;
  /** As in a source map: https://tc39.es/ecma426/ */
  readonly map: { readonly mappings: string; readonly sources: readonly (string | null)[] };
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

export function bytesByFile({ code, map }: MappedCode): ReadonlyMap<string, number> {
  const bytes = new Map<string, number>();
  const add = (source: string, count: number): void => void bytes.set(source, (bytes.get(source) ?? 0) + count);
  const lines = code.split("\n");
  let source = 0;
  for (const [at, segments] of map.mappings.split(";").entries()) {
    const length = (lines[at]?.length ?? 0) + 1;
    let column = 0;
    let from = "";
    let fromColumn = 0;
    for (const segment of segments.split(",")) {
      if (segment === "") continue;
      const [columns = 0, sources] = numbersOf(segment);
      column += columns;
      add(from, column - fromColumn);
      fromColumn = column;
      if (sources === undefined) from = "";
      else from = map.sources[(source += sources)] ?? "";
    }
    add(from, length - fromColumn);
  }
  return bytes;
}

/** Base64 digits of five bits each, the lowest first; the sixth says that another one follows. The first bit is the sign. */
function numbersOf(segment: string): readonly number[] {
  const numbers: number[] = [];
  let value = 0;
  let shift = 0;
  for (const character of segment) {
    const digit = DIGITS.indexOf(character);
    value += (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    numbers.push(value & 1 ? -(value >> 1) : value >> 1);
    value = 0;
    shift = 0;
  }
  return numbers;
}
