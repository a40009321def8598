/**
 * How the page is built and in which runtimes the tests run.
 *
 * `npm run build` builds `web/` with this file; vitest reads the projects below. One project per runtime that counts:
 * Node for the pure core, workerd for Durable Objects, Chromium for IndexedDB and WebRTC, and `e2e` for the product as
 * its users start it. A contract suite in `test/contract/` is a function that tests in several projects call.
 */
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig, type ViteUserConfig } from "vitest/config";
import { BROWSER_DEPENDENCIES } from "./test/support/browser-dependencies.ts";
import { chromiumContextOptions, chromiumLaunchOptions } from "./test/support/chromium.ts";

/** Time-outs end what hangs and judge nothing: the machine may be slow, its disk real, and others at work on it. */
const HANGS_MS = 120_000;

/** Files of one project that run at a time. */
const TOGETHER = 2;

/** Half a minute and more each: with `QUORATE_LONG=1`, as in CI. */
const LONG = [
  "test/e2e/backup.test.ts",
  "test/e2e/closed-rooms.test.ts",
  "test/e2e/connect-clusters.test.ts",
  "test/e2e/edge-rooms.test.ts",
  "test/e2e/firefox.test.ts",
  "test/e2e/mixed-rooms.test.ts",
  "test/e2e/relay.test.ts",
  "test/e2e/reshape.test.ts",
  "test/e2e/room-history.test.ts",
  "test/e2e/room-restore.test.ts",
  "test/e2e/floods.test.ts",
  "test/e2e/full-disk.test.ts",
  "test/e2e/gone-callers.test.ts",
  "test/e2e/hibernation.test.ts",
  "test/e2e/invitations.test.ts",
  "test/e2e/personal-keys.test.ts",
  "test/e2e/replica.test.ts",
  "test/e2e/shared-socket.test.ts",
  "test/e2e/tabs-folder.test.ts",
  "test/worker/backup/backup.test.ts",
  "test/worker/edge/edge-sleep.test.ts",
  "test/worker/clusters/deleted-sockets.test.ts",
  "test/worker/edge/hibernation.test.ts",
  "test/worker/edge/revoked.test.ts",
  "test/worker/edge/room-keys.test.ts",
  "test/worker/edge/room-restore.test.ts",
  "test/worker/edge/room-sleep.test.ts",
];
const isLong = process.env["QUORATE_LONG"] === "1";

const config: ViteUserConfig = defineConfig({
  test: {
    passWithNoTests: true,
    // `npm run coverage` (test/support/coverage.ts) turns it on.
    coverage: { provider: "v8", include: ["src/**"], reporter: ["json-summary", "html"] },
    projects: [
      {
        test: {
          name: "core",
          include: ["test/**/*.test.ts"],
          exclude: ["test/{worker,browser,e2e,bench}/**"],
          environment: "node",
          // The pure core shares nothing, so a fresh module graph per file would only cost time.
          isolate: false,
          // Vitest would leave a core of two to itself.
          maxWorkers: TOGETHER,
          // The projects run one after the other: elections and clocks in the later ones want the machine to themselves.
          sequence: { groupOrder: 0 },
          testTimeout: HANGS_MS,
          hookTimeout: HANGS_MS,
        },
      },
      {
        plugins: [
          // The deployed worker's date, flags and bindings, with a worker of the tests' own that adds objects to work on.
          // A class that wrangler.toml binds is exported by test/worker/main.ts too, if a test is to reach it.
          cloudflareTest({
            wrangler: { configPath: "./wrangler.toml" },
            main: "./test/worker/main.ts",
            miniflare: {
              bindings: { OPEN: "true", ENDPOINT_URL: "http://edge" },
              r2Buckets: ["BACKUPS"],
              durableObjects: {
                TEST_STORE: { className: "TestStore", useSQLite: true },
                GATED: { className: "GatedObject", useSQLite: true },
                TEST_CARRIERS: { className: "TestCarrier", useSQLite: true },
                OTHER_MEMBERS: { className: "OtherMember", useSQLite: true },
                ROOMS: { className: "RoomSignalling", useSQLite: true },
              },
            },
          }),
        ],
        test: {
          name: "worker",
          include: ["test/worker/**/*.test.ts"],
          exclude: isLong ? [] : LONG,
          sequence: { groupOrder: 1 },
          // Most of a file's time is spent waiting: for workerd's start, its disk, and members' clocks.
          maxWorkers: TOGETHER,
          testTimeout: HANGS_MS,
          hookTimeout: HANGS_MS,
        },
      },
      {
        optimizeDeps: { include: [...BROWSER_DEPENDENCIES] },
        test: {
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          globalSetup: ["test/support/unpack-chromium.ts", "test/support/signalling-server.ts"],
          sequence: { groupOrder: 2 },
          testTimeout: HANGS_MS,
          hookTimeout: HANGS_MS,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({ launchOptions: chromiumLaunchOptions(), contextOptions: chromiumContextOptions() }),
            instances: [{ browser: "chromium" }],
          },
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          exclude: isLong ? [] : LONG,
          globalSetup: ["test/support/unpack-chromium.ts"],
          environment: "node",
          // Each file drives servers and browsers of its own, and waits for them most of its time.
          maxWorkers: TOGETHER,
          sequence: { groupOrder: 3 },
          testTimeout: HANGS_MS,
          hookTimeout: HANGS_MS,
        },
      },
    ],
  },
});

export default config;
