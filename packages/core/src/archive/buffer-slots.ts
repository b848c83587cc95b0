/** How many small slots make a large one. */
export const slotsOfLarge = 4;

export interface Slot {
  readonly memory: Buffer;
  giveBack(): void;
}

/**
 * Memory for buffers of two sizes that share it: groups of four small slots, each of which is one large slot while it is empty. A group is
 * kept, so that the same memory serves all of a run and no other allocation settles in its gaps. One group is enough for a small run; when a
 * second is needed all are taken at once and written to, so that what a run holds is settled at its beginning: how many of them streams
 * fill at the same time is chance, and in a longer run the worst of many.
 */
export class BufferSlots {
  readonly #mostGroups: number;
  readonly #slotBytes: number;
  readonly #groups: Group[] = [];

  constructor(mostGroups: number, slotBytes: number) {
    this.#mostGroups = mostGroups;
    this.#slotBytes = slotBytes;
  }

  get roomForLarge(): boolean {
    return this.#groups.length < this.#mostGroups || this.#groups.some((group) => group.empty);
  }

  takeLarge(): Slot {
    return (this.#groups.find((group) => group.empty) ?? this.#newGroup()).takeAll();
  }

  /** From a group that is begun, if there is one, so that empty ones stay whole. */
  takeSmall(): Slot {
    const group =
      this.#groups.find((each) => !each.empty && !each.full) ??
      this.#groups.find((each) => each.empty) ??
      this.#newGroup();
    return group.takeOne();
  }

  #newGroup(): Group {
    const group = new Group(this.#slotBytes);
    this.#groups.push(group);
    while (this.#groups.length > 1 && this.#groups.length < this.#mostGroups)
      this.#groups.push(new Group(this.#slotBytes));
    return group;
  }
}

class Group {
  readonly #memory: Buffer;
  readonly #slotBytes: number;
  readonly #taken = new Set<number>();

  constructor(slotBytes: number) {
    this.#slotBytes = slotBytes;
    // The operating system gives memory when it is written to.
    this.#memory = Buffer.allocUnsafeSlow(slotBytes * slotsOfLarge).fill(0);
  }

  get empty(): boolean {
    return this.#taken.size === 0;
  }

  get full(): boolean {
    return this.#taken.size === slotsOfLarge;
  }

  takeAll(): Slot {
    for (let index = 0; index < slotsOfLarge; index++) this.#taken.add(index);
    return { memory: this.#memory, giveBack: () => this.#taken.clear() };
  }

  takeOne(): Slot {
    let index = 0;
    while (this.#taken.has(index)) index += 1;
    this.#taken.add(index);
    const memory = this.#memory.subarray(index * this.#slotBytes, (index + 1) * this.#slotBytes);
    return { memory, giveBack: () => void this.#taken.delete(index) };
  }
}
