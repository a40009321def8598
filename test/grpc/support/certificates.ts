/** Throw-away certificates from the openssl of this machine; Node itself can check certificates but not make any. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Pair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** `-CA`, which signs in one step, came with version 3. */
export const hasOpenssl: boolean = /^OpenSSL [3-9]/.test(String(spawnSync("openssl", ["version"]).stdout));

/** A CA, and what it vouches for: a server called localhost and a client. */
export function makeCertificates(): { readonly ca: Pair; readonly server: Pair; readonly client: Pair } {
  const folder = mkdtempSync(join(tmpdir(), "quorate-certificates-"));
  try {
    const ca = makePair(folder, "ca", ["-addext", "basicConstraints=critical,CA:TRUE"]);
    const bySame = ["-CA", join(folder, "ca.pem"), "-CAkey", join(folder, "ca.key")];
    const leaf = [...bySame, "-addext", "basicConstraints=critical,CA:FALSE"];
    const server = makePair(folder, "server", [...leaf, "-addext", "subjectAltName=DNS:localhost"]);
    return { ca, server, client: makePair(folder, "client", leaf) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function makePair(folder: string, name: string, more: readonly string[]): Pair {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  // Without what a distribution adds by itself.
  const config = join(folder, "openssl.cnf");
  writeFileSync(config, "[req]\ndistinguished_name = name\n[name]\n");
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const argv = ["req", "-x509", "-config", config, ...curve, "-subj", `/CN=${name}`, "-days", "2"];
  execFileSync("openssl", [...argv, "-keyout", key, "-out", cert, ...more], { stdio: "pipe" });
  return { cert: readFileSync(cert), key: readFileSync(key) };
}
