/** A set of 64-bit keys in flat memory, about 14 bytes a key, with a small cost for each. */
export class StateSet {
  size = 0;
  #mask: number;
  #low: Int32Array;
  #high: Int32Array;
  #cost: Uint8Array;

  constructor(capacity = 1 << 14) {
    this.#mask = capacity - 1;
    this.#low = new Int32Array(capacity);
    this.#high = new Int32Array(capacity);
    this.#cost = new Uint8Array(capacity);
  }

  /** Whether the key is new, or was known only at a higher cost. */
  improve(low: number, high: number, cost: number): boolean {
    // All zero marks an empty place.
    if (low === 0 && high === 0) low = 1;
    const place = this.#find(low, high);
    if (this.#isTaken(place)) {
      if (this.#cost[place]! <= cost) return false;
      this.#cost[place] = cost;
      return true;
    }
    this.#low[place] = low;
    this.#high[place] = high;
    this.#cost[place] = cost;
    if (++this.size > (this.#mask + 1) * 0.6) this.#grow();
    return true;
  }

  #isTaken(place: number): boolean {
    return this.#low[place] !== 0 || this.#high[place] !== 0;
  }

  #find(low: number, high: number): number {
    let place = low & this.#mask;
    while (this.#isTaken(place) && (this.#low[place] !== low || this.#high[place] !== high)) place = (place + 1) & this.#mask;
    return place;
  }

  #grow(): void {
    const low = this.#low;
    const high = this.#high;
    const cost = this.#cost;
    const capacity = (this.#mask + 1) * 2;
    this.#mask = capacity - 1;
    this.#low = new Int32Array(capacity);
    this.#high = new Int32Array(capacity);
    this.#cost = new Uint8Array(capacity);
    for (let i = 0; i < low.length; i++) {
      if (low[i] === 0 && high[i] === 0) continue;
      const place = this.#find(low[i]!, high[i]!);
      this.#low[place] = low[i]!;
      this.#high[place] = high[i]!;
      this.#cost[place] = cost[i]!;
    }
  }
}
