/**
 * How passwords are hashed and verified in a tab: the largest library of a member, which most rooms never need. It is loaded
 * when auth is enabled in the room, because whoever logs in later may have no network, and else with the first password.
 */
import { decoyHash } from "../../auth/password-hashes.ts";
import { loadedOnce } from "../../member/api/loaded-once.ts";
import type { PasswordHasher } from "../../member/auth/credentials.ts";
import type { Member } from "../../member/node/member.ts";

type LoadPasswords = (member: Member) => Promise<PasswordHasher>;

export function tabPasswords(member: Member, load: LoadPasswords = loadPasswords): PasswordHasher {
  const loaded = loadedOnce(() => load(member));
  const loadIfEnabled = (): void => {
    if (!member.machine.auth.enabled) return;
    unwatch();
    // If that fails, whoever logs in is told why, and it is tried again.
    loaded().catch(() => {});
  };
  const unwatch = member.whenViewChanges(loadIfEnabled);
  loadIfEnabled();
  return {
    decoy: decoyHash(member.settings.bcryptCost),
    hash: async (password) => (await loaded()).hash(password),
    verify: async (password, hashed) => (await loaded()).verify(password, hashed),
  };
}

async function loadPasswords({ clock, settings }: Member): Promise<PasswordHasher> {
  const [{ memberPasswords }, { paced }] = await Promise.all([
    import("../../member/auth/passwords.ts"),
    import("../../member/auth/pace.ts"),
  ]);
  return memberPasswords(paced(clock), settings.bcryptCost);
}
