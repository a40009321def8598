/**
 * The Firefox of this machine, driven by WebDriver BiDi. npm brings none that works, so what needs one is skipped where
 * there is none: QUORATE_FIREFOX names an executable, else `firefox-esr` and `firefox` are looked for on the PATH.
 *
 * One process serves a file of tests. Its containers (user contexts) have storage and locks of their own, as profiles do.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { Bidi } from "./bidi.ts";

/** Ends a start that hangs. */
const START_MS = 180_000;

const PREFERENCES: Readonly<Record<string, Preference>> = {
  "app.update.disabledForTesting": true,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "datareporting.policy.dataSubmissionEnabled": false,
  "dom.ipc.processPrelaunch.enabled": false,
  // Without a network between machines, data channels use this machine's own addresses.
  "media.peerconnection.ice.loopback": true,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "privacy.userContext.enabled": true,
  "toolkit.telemetry.reportingpolicy.firstRun": false,
};

export type Preference = string | number | boolean;

/** The executable; undefined where there is none. */
export function firefoxPath(): string | undefined {
  const named = process.env["QUORATE_FIREFOX"];
  if (named !== undefined) return named;
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return ["firefox-esr", "firefox"]
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => existsSync(path));
}

export class Firefox {
  readonly bidi: Bidi;
  readonly #child: ChildProcess;
  readonly #profile: string;

  private constructor(bidi: Bidi, child: ChildProcess, profile: string) {
    this.bidi = bidi;
    this.#child = child;
    this.#profile = profile;
  }

  static async launch(preferences: Readonly<Record<string, Preference>> = {}): Promise<Firefox> {
    const executable = firefoxPath();
    if (executable === undefined) throw new Error("no Firefox is at hand");
    const profile = await mkdtemp(join(tmpdir(), "quorate-firefox-"));
    const lines = Object.entries({ ...PREFERENCES, ...preferences }).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`,
    );
    await writeFile(join(profile, "user.js"), lines.join("\n"));
    const args = ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"];
    // For what a person does in the browser's own windows.
    args.push("--remote-allow-system-access", "about:blank");
    const child = spawn(executable, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, HOME: profile, MOZ_DISABLE_CONTENT_SANDBOX: "1" },
    });
    try {
      return new Firefox(await Bidi.connect(await addressOf(child)), child, profile);
    } catch (error) {
      await end(child, profile);
      throw error;
    }
  }

  /** Runs an expression in the browser's own window, and awaits its value. */
  async evaluateInWindow<Result>(expression: string): Promise<Result> {
    const scope = { "moz:scope": "chrome" };
    const { contexts } = await this.bidi.send<{ contexts: { context: string }[] }>("browsingContext.getTree", scope);
    return evaluate<Result>(this.bidi, contexts[0]?.context ?? "", expression);
  }

  async close(): Promise<void> {
    this.bidi.close();
    await end(this.#child, this.#profile);
  }
}

/** Evaluates an expression in a window or page. Its value crosses as JSON. */
export async function evaluate<Result>(bidi: Bidi, context: string, expression: string): Promise<Result> {
  const outcome = await bidi.send<Evaluated>("script.evaluate", {
    expression: `(async () => JSON.stringify(await (${expression})))()`,
    target: { context },
    awaitPromise: true,
  });
  if (outcome.type === "exception") throw new Error(outcome.exceptionDetails.text);
  return (outcome.result.value === undefined ? undefined : JSON.parse(outcome.result.value)) as Result;
}

type Evaluated =
  | { readonly type: "success"; readonly result: { readonly value?: string } }
  | { readonly type: "exception"; readonly exceptionDetails: { readonly text: string } };

/** Where it listens, which it says on its standard error. */
function addressOf(child: ChildProcess): Promise<string> {
  let said = "";
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`Firefox did not start: ${said}`)), START_MS);
    const listen = (chunk: Buffer): void => {
      said += chunk.toString();
      const url = /WebDriver BiDi listening on (ws:\S+)/.exec(said)?.[1];
      if (url === undefined) return;
      clearTimeout(timer);
      resolve(url);
    };
    child.stderr?.on("data", listen);
    child.stdout?.on("data", listen);
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`Firefox ended: ${said}`)));
  });
}

/** SIGKILL, by its pid: its other processes end when it does. */
async function end(child: ChildProcess, profile: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 });
}
