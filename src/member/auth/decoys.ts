/**
 * Returns the hash against which a password is verified if its user does not exist or has no password. Hashes may
 * differ in cost: those of an older version or of an etcd. So an unknown name gets the cost of some user's hash, chosen
 * by the name, each cost as often as users have it. Then the response time does not reveal whether the user exists.
 *
 * All members choose alike: the choice is keyed with a stored hash, which they share and no caller knows.
 */
import { latin1ToBytes } from "../../base/bytes.ts";
import { Sha256 } from "../../base/sha256.ts";
import { utf8Decode, utf8Encode } from "../../base/utf8.ts";
import type { AuthStore } from "../../auth/auth-store.ts";
import { costOfHash } from "../../auth/password-hashes.ts";

interface Cost {
  readonly cost: string;
  readonly hash: string;
  users: number;
}

const NAME_LENGTH_MAX = 128;

export class Decoys {
  /** The store that was read, and its revision. A snapshot brings another store. */
  #auth: AuthStore | undefined;
  #revision = -1;
  #costs: readonly Cost[] = [];
  #secret = "";
  #users = 0;

  /** Returns a user's hash, whose password was not requested; undefined while no user has a password. */
  hashFor(auth: AuthStore, name: string): string | undefined {
    if (this.#auth !== auth || this.#revision !== auth.revision) this.#read(auth);
    const hash = new Sha256();
    hash.update(latin1ToBytes(this.#secret));
    hash.update(utf8Encode(name.slice(0, NAME_LENGTH_MAX)));
    const digest = hash.digest();
    const drawn = new DataView(digest.buffer, digest.byteOffset).getUint32(0) / 2 ** 32;
    let left = drawn * this.#users;
    for (const cost of this.#costs) {
      left -= cost.users;
      if (left < 0) return cost.hash;
    }
    return undefined;
  }

  #read(auth: AuthStore): void {
    const costs = new Map<string, Cost>();
    this.#secret = "";
    this.#users = 0;
    for (const bytes of auth.passwordHashes()) {
      const hash = utf8Decode(bytes);
      const cost = costOfHash(hash);
      const known = costs.get(cost) ?? { cost, hash, users: 0 };
      known.users += 1;
      costs.set(cost, known);
      if (this.#secret === "") this.#secret = hash;
      this.#users += 1;
    }
    this.#costs = [...costs.values()].toSorted((left, right) => (left.cost < right.cost ? -1 : 1));
    this.#auth = auth;
    this.#revision = auth.revision;
  }
}
