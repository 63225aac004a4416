/** What a thread has opened, so that it opens nothing twice. */
import { encodeKind, type SlotKind } from '../registry/kinds.js';

/** A lock as one thread sees it. */
export interface Detachable {
  /** The thread has left the segment: from now on `slot` is the address of a closed one. */
  detach(slot: number): void;
}

interface Handle {
  readonly kindWord: number;
  readonly timeoutMs: number;
  readonly lock: Detachable;
}

export class Handles {
  /** By name. Those of one name differ in their default time-out. */
  readonly #known = new Map<string, Handle[]>();
  /** Weak, since a program may give a new function in every task. */
  readonly #tracked = new Set<WeakRef<Detachable>>();
  readonly #dropped = new FinalizationRegistry<WeakRef<Detachable>>((handle) => this.#tracked.delete(handle));

  /** The handle of that kind with that default time-out, or the one that `make` makes. */
  get<L extends Detachable>(name: string, kind: SlotKind, timeoutMs: number, make: () => L): L {
    const kindWord = encodeKind(kind);
    const handles = this.#known.get(name) ?? [];
    // Equal words are equal kinds, and of those `make` always makes the same class.
    const known = handles.find((handle) => handle.timeoutMs === timeoutMs && handle.kindWord === kindWord)?.lock as L | undefined;
    if (known !== undefined) return known;
    const lock = make();
    this.#known.set(name, [...handles, { kindWord, timeoutMs, lock }]);
    return lock;
  }

  /** Keeps an eye on a handle that is its user's alone. */
  track(lock: Detachable): void {
    const handle = new WeakRef(lock);
    this.#tracked.add(handle);
    this.#dropped.register(lock, handle);
  }

  detach(slot: number): void {
    for (const { lock } of [...this.#known.values()].flat()) lock.detach(slot);
    for (const handle of this.#tracked) handle.deref()?.detach(slot);
  }
}
