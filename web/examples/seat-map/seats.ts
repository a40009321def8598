/** Who has which seat. First come, first served, and nobody gives back what is not theirs. */
import type { Created, Entry, Live, Namespace } from "quorate";
import type { RoomClient } from "quorate/room";

export interface Seat {
  readonly person: string;
  readonly name: string;
}

export class Seats {
  readonly person: string;
  readonly #seats: Namespace<Seat>;

  constructor(client: RoomClient, person: string) {
    this.person = person;
    this.#seats = client.namespace<Seat>("seats/");
  }

  live(): Live<Seat> {
    return this.#seats.live();
  }

  /** Of all who ask at once, one gets `created: true`; the others get the entry of that one. */
  take(seat: string, name: string): Promise<Created<Seat>> {
    return this.#seats.create(seat, { person: this.person, name });
  }

  /** Rejects with ConflictError if the seat is not as it was seen. */
  async giveBack({ key, etag }: Entry<Seat>): Promise<void> {
    await this.#seats.delete(key, { ifMatch: etag });
  }
}
