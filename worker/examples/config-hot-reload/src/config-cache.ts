/**
 * The configuration of this isolate. A request waits for it once, when the isolate is new. Later ones are answered with what is
 * there, and the first of them after a second reads again, behind its response.
 */
import { DEFAULTS, type Config } from "./config.ts";

export interface ConfigSource {
  readonly read: () => Promise<{ readonly value: Config; readonly revision: number } | undefined>;
  /** Lets the work go on after the response. */
  readonly later: (work: Promise<void>) => void;
}

export interface CachedConfig {
  readonly config: Config;
  /** 0 for the defaults. */
  readonly revision: number;
  /** How often this isolate asked for it. */
  readonly reads: number;
}

const FRESH_MS = 1_000;

export class ConfigCache {
  #cached: CachedConfig = { config: DEFAULTS, revision: 0, reads: 0 };
  #isLoaded = false;
  /** When the last read began, in milliseconds since 1970. */
  #readAtMs = Number.NEGATIVE_INFINITY;

  async get({ read, later }: ConfigSource): Promise<CachedConfig> {
    const isFirst = !this.#isLoaded;
    if (!isFirst && Date.now() - this.#readAtMs < FRESH_MS) return this.#cached;
    this.#readAtMs = Date.now();
    this.#cached = { ...this.#cached, reads: this.#cached.reads + 1 };
    // Requests may not wait for each other's I/O, so each of those that come first reads for itself.
    const reading = this.#refresh(read);
    if (isFirst) await reading;
    else later(reading);
    return this.#cached;
  }

  /** A failed read, or a value that is no configuration, leaves what was there: the shop stays open. */
  async #refresh(read: ConfigSource["read"]): Promise<void> {
    try {
      const entry = await read();
      // Another member may be a little behind the one that was asked before.
      if (entry !== undefined && entry.revision < this.#cached.revision) return;
      const { value: config, revision } = entry ?? { value: DEFAULTS, revision: 0 };
      this.#cached = { ...this.#cached, config, revision };
      this.#isLoaded = true;
    } catch (error) {
      console.error("the configuration could not be read:", error);
    }
  }
}
