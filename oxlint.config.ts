/**
 * `npm run lint`. The borders between packages are one table, LAYERS; the rules of oxlint that hold them are made from
 * it. test/architecture/lint-rules.test.ts breaks each kind of rule once and sees it refused.
 */
import { relative } from "node:path/posix";
import { defineConfig } from "oxlint";
import type { OxlintConfig, OxlintOverride } from "oxlint";

/**
 * The packages of src, lowest first, and the folders in each of them.
 *
 * A file imports from its own folder, from the folders named behind its own ("." is the package's root), from the
 * packages in `below`, and from the npm packages in `npm`. A folder that is not named here may not exist.
 */
export interface Layer {
  readonly below: readonly string[];
  readonly folders: Readonly<Record<string, readonly string[]>>;
  readonly npm?: readonly string[];
}

const CORE = ["base", "protocol", "raft", "mvcc", "lease", "auth"];

export const LAYERS: Readonly<Record<string, Layer>> = {
  base: { below: [], npm: ["@noble/hashes"], folders: { ".": [] } },
  protocol: {
    below: ["base"],
    folders: {
      ".": [],
      codec: ["."],
      bbolt: ["."],
      // The messages of etcd's services, their tables for the codec, and their methods.
      api: [".", "codec"],
      "api/schema": [".", "codec", "api"],
      "api/rpc": [".", "codec", "api", "api/schema"],
      peer: [".", "codec", "api", "api/schema"],
    },
  },
  raft: {
    below: ["base", "protocol"],
    folders: { "conf-change": [], log: ["conf-change"], ".": ["conf-change", "log"] },
  },
  mvcc: {
    below: ["base", "protocol"],
    folders: {
      tables: [],
      range: ["tables"],
      txn: ["tables", "range"],
      ".": ["tables", "range", "txn"],
      watch: [".", "tables", "range"],
    },
  },
  lease: { below: ["base", "protocol", "mvcc"], folders: { ".": [] } },
  auth: { below: ["base", "protocol", "mvcc"], folders: { ".": [] } },
  storage: {
    below: ["base", "protocol", "raft", "mvcc"],
    npm: ["idb"],
    folders: {
      ".": [],
      common: ["."],
      memory: [".", "common"],
      indexeddb: [".", "common"],
      sqlite: [".", "common"],
      "durable-object": [".", "sqlite"],
    },
  },
  transport: {
    below: ["base", "protocol"],
    npm: ["peerjs"],
    folders: { greeting: [], ".": ["greeting"], socket: [".", "greeting"], relay: [".", "greeting"] },
  },
  member: {
    below: [...CORE, "storage", "transport"],
    npm: ["jose", "bcryptjs"],
    folders: {
      api: [],
      ".": ["api"],
      metrics: ["api"],
      limits: [".", "api"],
      auth: ["."],
      peer: [".", "metrics"],
      membership: [".", "peer"],
      apply: [".", "membership"],
      snapshot: ["membership"],
      background: [".", "peer", "apply"],
      node: [".", "api", "metrics", "limits", "auth", "peer", "membership", "apply", "snapshot", "background"],
      "services/concurrency": ["api", "node"],
      "services/maintenance": ["api", "apply", "snapshot", "node"],
      services: [
        ...[".", "api", "metrics", "limits", "auth", "membership", "apply", "background", "node"],
        ...["services/concurrency", "services/maintenance"],
      ],
    },
  },
  gateway: {
    below: [...CORE, "member"],
    npm: ["hono"],
    folders: {
      http: [],
      stream: ["http"],
      plain: ["http"],
      ".": ["http", "stream", "plain"],
    },
  },
  client: {
    below: ["base", "protocol", "member"],
    folders: {
      common: [],
      facade: ["common"],
      mux: ["common"],
      http: ["common", "mux"],
      ".": ["common", "facade", "http"],
      // Writes that wait on disk until the cluster is there.
      outbox: [".", "common", "facade"],
      // What applications use, above etcd's calls.
      app: [".", "common", "facade", "http", "outbox"],
    },
  },
  // A copy of some prefixes outside Raft.
  replica: {
    below: ["base", "protocol", "mvcc", "member", "client"],
    npm: ["idb"],
    folders: {
      copy: [],
      store: ["copy"],
      follow: ["copy"],
      ".": ["copy", "store", "follow"],
    },
  },
  // A browser tab as a member of a room.
  room: {
    below: [...CORE, "storage", "transport", "member", "client", "gateway", "replica"],
    folders: {
      common: [],
      // Who is let in, and where the room is found.
      entrance: ["common"],
      member: ["common", "entrance"],
      // The tabs of one profile, of which one has the member.
      tabs: ["common", "member"],
      ".": ["common", "entrance", "member", "tabs"],
    },
  },
  react: { below: ["client"], npm: ["react"], folders: { ".": [] } },
  grpc: {
    below: ["base", "protocol", "member", "client"],
    npm: ["@grpc/grpc-js", "ws", "node:*"],
    folders: { ".": [] },
  },
  // A member in a process of its own.
  serve: { below: [], npm: ["node:*"], folders: { ".": [] } },
  cli: {
    below: ["base", "protocol", "transport", "member", "client", "grpc", "serve"],
    npm: ["node:*"],
    folders: {
      output: [],
      common: ["output"],
      files: ["common"],
      commands: ["common", "files", "output"],
      ".": ["commands", "common", "output"],
    },
  },
  // What the package exports.
  entry: {
    below: ["base", "protocol", "raft", "transport", "member", "client", "replica", "room", "react", "grpc"],
    folders: { ".": [] },
  },
};

/** The folder of worker that may not know Node: all but `local`, which builds and serves it. */
const WORKERD = "worker/{*.ts,{backup,calls,client,clusters,common,member,signalling}/**}";

const config: OxlintConfig = defineConfig({
  plugins: ["typescript", "import", "unicorn", "oxc", "vitest"],
  options: { typeAware: true, denyWarnings: true, reportUnusedDisableDirectives: "error" },
  ignorePatterns: ["node_modules", "dist", ".wrangler", ".quorate"],
  categories: { correctness: "error", suspicious: "error" },
  rules: {
    // Types count: a circle of types is a circle for the reader.
    "import/no-cycle": ["error", { ignoreTypes: false }],
    "import/no-default-export": "error",
    "max-lines-per-function": ["error", { max: 70 }],
    "no-restricted-imports": restrict(
      ["playwright", "@playwright/*"],
      "playwright-core, with the Chromium of test/support.",
    ),
    "typescript/consistent-type-imports": "error",
    "typescript/no-explicit-any": "error",
    "typescript/no-floating-promises": "error",
    "typescript/no-misused-promises": "error",
    "typescript/no-non-null-assertion": "error",
    "typescript/switch-exhaustiveness-check": "error",

    // The compiler sees a forgotten return (noImplicitReturns) and knows `never`; this rule does not.
    "typescript/consistent-return": "off",
    // `fc.assert`, `fc.property`: fast-check's own way to be imported.
    "import/no-named-as-default-member": "off",
    // A long text is broken at its sentences.
    "no-useless-concat": "off",

    // Sorting in place and one handler per event are often what is meant.
    "unicorn/no-array-reverse": "off",
    // A copy, because the loop changes what it walks over.
    "unicorn/no-useless-spread": "off",
    "unicorn/no-array-sort": "off",
    "unicorn/prefer-add-event-listener": "off",
    "unicorn/consistent-function-scoping": "off",
    "import/no-unassigned-import": "off",

    // `as` after a bounds check is how an element is read here; `!` is refused above.
    "typescript/no-unsafe-type-assertion": "off",
  },
  overrides: [
    purity(),
    outside("src/**/*.ts", ["*"], "This folder is not in LAYERS (oxlint.config.ts)."),
    ...Object.entries(LAYERS).flatMap(([name, layer]) =>
      Object.keys(layer.folders).map((folder) => border(name, folder, layer)),
    ),
    outside("worker/**", ["**/web/**", "**/cli/**"], "The worker serves the built page."),
    outside(WORKERD, ["**/web/**", "**/cli/**", "**/local/**", "node:*"], "Runs in workerd, alone."),
    outside("web/**", ["**/worker/**", "**/cli/**", "node:*", "cloudflare:*"], "Runs in a page, alone."),
    {
      // Servers and scripts of the examples run in Node.
      files: ["web/examples/**/*.js"],
      rules: { "no-restricted-imports": "off" },
    },
    // What tests and platforms need. Contract suites, and helpers that hold the expectations of several tests, look to
    // vitest's rules like strays.
    {
      files: ["test/**"],
      rules: {
        "max-lines-per-function": "off",
        "vitest/expect-expect": "off",
        "vitest/no-conditional-expect": "off",
        "vitest/valid-expect": ["error", { maxArgs: 2 }],
        "vitest/no-standalone-expect": "off",
        "vitest/valid-title": "off",
      },
    },
    {
      files: [
        "oxlint.config.ts",
        "vite.config.ts",
        "worker/main.ts",
        "worker/process/main.ts",
        "test/bench/rival/plain-objects.ts",
        "worker/examples/*/src/index.ts",
        "test/foreign/projects/worker/src/index.ts",
        "test/bench/bill/metered-worker.ts",
        "test/upgrade/objects/two-builds.ts",
        "test/worker/main.ts",
        "test/support/count-reporter.ts",
      ],
      rules: { "import/no-default-export": "off" },
    },
  ],
});

export default config;

/**
 * The pure packages. The compiler refuses what belongs to a platform (src/tsconfig.core.json); what belongs to the
 * language, or would be refused only by a type, is refused here.
 */
function purity(): OxlintOverride {
  const time = "Time is a tick that is handed in.";
  const globals = {
    Date: time,
    performance: time,
    setTimeout: time,
    setInterval: time,
    queueMicrotask: "The core returns what must be done, and never does it later.",
    Promise: "The core returns what must be done, and never waits for it.",
    crypto: "Chance is the injected Prng.",
    globalThis: "The core has no surroundings.",
  };
  return {
    files: [`src/{${CORE.join(",")}}/**`],
    rules: {
      "no-console": "error",
      "no-restricted-globals": ["error", ...Object.entries(globals).map(([name, message]) => ({ name, message }))],
      "no-restricted-properties": [
        "error",
        { object: "Math", property: "random", message: "Chance is the injected Prng." },
      ],
    },
  };
}

/** What the files of one folder may import. */
function border(name: string, folder: string, { below, folders, npm = [] }: Layer): OxlintOverride {
  const root = folder === "." ? "." : folder.replace(/[^/]+/g, "..");
  const allowed = [
    "./*.ts",
    ...(folders[folder] ?? []).map((other) => pathTo(other, folder)),
    ...below.map((other) => `${folder === "." ? ".." : `${root}/..`}/${other}/**`),
    ...npm.flatMap((other) => [other, `${other}/**`]),
  ];
  const from = [
    ...(folders[folder] ?? []).map((other) => (other === "." ? name : `${name}/${other}`)),
    ...below,
    ...npm,
  ];
  return {
    files: [folder === "." ? `src/${name}/*.ts` : `src/${name}/${folder}/*.ts`],
    rules: {
      "no-restricted-imports": restrict(
        ["*", ...allowed.map((pattern) => `!${pattern}`)],
        `${folder === "." ? `src/${name}` : `src/${name}/${folder}`} may import from itself and from: ${from.join(", ") || "nothing else"}.`,
      ),
    },
  };
}

function pathTo(other: string, folder: string): string {
  const path = relative(folder, other) || ".";
  return `${path.startsWith(".") ? path : `./${path}`}/*.ts`;
}

function outside(files: string, group: readonly string[], message: string): OxlintOverride {
  return { files: [files], rules: { "no-restricted-imports": restrict(group, message) } };
}

function restrict(group: readonly string[], message: string): ["error", object] {
  return ["error", { patterns: [{ group, message }] }];
}
