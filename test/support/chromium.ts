/**
 * A real Chromium that comes with `npm ci`, so that a machine without a browser can run every test.
 *
 * The npm package `@sparticuz/chromium` carries a headless Chromium for a bare cloud function: compressed, with the
 * libraries (NSS, expat) and the one font that such a machine lacks, which a minimal Debian lacks as well. It unpacks
 * itself into the temporary directory, where another version may already lie, and leaves the libraries out unless it
 * sees its own cloud. So it is unpacked here once, into node_modules/.cache, under the version's name.
 *
 * QUORATE_CHROMIUM names another executable, which is then started as it is.
 */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Browser, type BrowserContext, chromium, type LaunchOptions } from "playwright-core";

const root = join(import.meta.dirname, "../..");
const packageDir = join(root, "node_modules/@sparticuz/chromium");
const cacheDir = join(root, "node_modules/.cache");

export const chromiumArgs: readonly string[] = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--allow-loopback-in-peer-connection",
];

/**
 * For every context in which WebRTC must connect. A page without permissions gathers its candidates from the default
 * route alone; on a machine that has none it finds nobody, not even another tab. With the camera's permission it sees
 * every interface, loopback included. Where there is a route the permission is not given, as with any user.
 */
export function chromiumContextOptions(): { readonly permissions: string[] } {
  return { permissions: hasDefaultRoute() ? [] : ["camera", "microphone"] };
}

/** Where the executable lies once `chromiumPath` has run; for those who must name it before it is there. */
export function chromiumExecutable(): string {
  return process.env["QUORATE_CHROMIUM"] ?? join(homeDir(), "chromium");
}

export interface ChromiumLaunchOptions {
  readonly executablePath: string;
  readonly args: string[];
  readonly env: Record<string, string>;
}

/** What playwright's `launch` needs to know, on this machine, about the executable of `chromiumPath`. */
export function chromiumLaunchOptions(): ChromiumLaunchOptions {
  return {
    executablePath: chromiumExecutable(),
    args: [...chromiumArgs],
    env: process.env["QUORATE_CHROMIUM"] === undefined ? environmentFor(homeDir()) : environment(),
  };
}

/** The path of a Chromium that is there and can be started with the options of `chromiumLaunchOptions`. */
export async function chromiumPath(): Promise<string> {
  const executable = chromiumExecutable();
  if (process.env["QUORATE_CHROMIUM"] === undefined) {
    if (`${process.platform}-${process.arch}` !== "linux-x64") {
      throw new Error("the Chromium that npm brings is for linux-x64; name another one by QUORATE_CHROMIUM");
    }
    await unpackInto(homeDir());
  }
  if (!existsSync(executable)) throw new Error(`no Chromium at ${executable}`);
  return executable;
}

export async function launchChromium(options: LaunchOptions = {}): Promise<Browser> {
  await chromiumPath();
  return chromium.launch(merged(options));
}

/** A browser whose profile (IndexedDB, locks) lies in `profileDir` and survives a restart of the browser. */
export async function launchChromiumProfile(profileDir: string, options: LaunchOptions = {}): Promise<BrowserContext> {
  await chromiumPath();
  return chromium.launchPersistentContext(profileDir, { ...chromiumContextOptions(), ...merged(options) });
}

function merged(options: LaunchOptions): LaunchOptions {
  const base = chromiumLaunchOptions();
  return {
    ...base,
    ...options,
    args: [...base.args, ...(options.args ?? [])],
    env: { ...base.env, ...options.env },
  };
}

function hasDefaultRoute(): boolean {
  const table = "/proc/net/route";
  if (!existsSync(table)) return true;
  const destinations = readFileSync(table, "utf8").split("\n").slice(1);
  return destinations.some((line) => line.split("\t")[1] === "00000000");
}

function homeDir(): string {
  const { version } = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8")) as { version: string };
  return join(cacheDir, `chromium-${version}-${process.arch}`);
}

/**
 * Unpacks beside the final place and renames, so that the final place is complete or absent, also when two processes
 * do it at once. A process of its own does the unpacking, because the package asks TMPDIR where to.
 */
async function unpackInto(home: string): Promise<void> {
  if (existsSync(home)) return;
  await mkdir(cacheDir, { recursive: true });
  const staging = await mkdtemp(join(cacheDir, "chromium-unpacking-"));
  try {
    const program = `
      import chromium, { inflate } from "@sparticuz/chromium";
      await chromium.executablePath();
      await inflate(process.argv[1]);`;
    const libraries = join(packageDir, "bin/al2023.tar.br");
    await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program, libraries], {
      cwd: root,
      env: { ...process.env, TMPDIR: staging },
    });
    await writeFile(join(staging, "fonts.conf"), fontsConf(home));
    await rename(staging, home);
  } catch (error) {
    if (!existsSync(home)) throw error;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** The machine's fonts, then the package's: a machine without any still shows text. */
function fontsConf(home: string): string {
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>${home}/fonts</dir>
  <cachedir>${home}/fontconfig</cachedir>
</fontconfig>
`;
}

function environmentFor(home: string): Record<string, string> {
  const inherited = environment();
  const libraries = [join(home, "al2023/lib"), inherited["LD_LIBRARY_PATH"]].filter(Boolean).join(":");
  return { ...inherited, LD_LIBRARY_PATH: libraries, FONTCONFIG_FILE: join(home, "fonts.conf") };
}

function environment(): Record<string, string> {
  const entries = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  // Without a locale (a bare machine has none) Chromium cannot open a file whose name is more than ASCII.
  return { ...Object.fromEntries(entries), LC_ALL: "C.UTF-8" };
}
