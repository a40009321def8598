/** What is wrong with a JSON text, and where, in protojson's words. */
import { EtcdError, GrpcCode } from "../errors.ts";

export function invalidJson(message: string): EtcdError {
  return new EtcdError(GrpcCode.InvalidArgument, message);
}

/** Returns line and column as protojson counts them: from 1, the column in characters. */
export function positionText(text: string, start: number, at: number): string {
  const before = text.slice(start, at);
  const line = before.split("\n");
  const column = Array.from(line[line.length - 1] ?? "").length + 1;
  return `(line ${line.length}:${column})`;
}
