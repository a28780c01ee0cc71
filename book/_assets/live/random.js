// numpy.random.default_rng(seed).random(), draw for draw: what the page draws can be drawn again in Python.
// SeedSequence spreads the seed over 256 bits (O'Neill's seed_seq_fe), PCG64 (O'Neill, 2014) walks from there.

const uint32 = (n) => n >>> 0;

/** Return `count` words of 32 bits that NumPy's SeedSequence makes of a list of integers below 2^32. */
export function spread(seeds, count) {
  let constant = 0x43b0d7e5;
  const hash = (word) => {
    word ^= constant;
    constant = Math.imul(constant, 0x931e8875);
    word = Math.imul(word, constant);
    return uint32(word ^ (word >>> 16));
  };
  const mix = (x, y) => {
    const word = Math.imul(x, 0xca01f9dd) - Math.imul(y, 0x4973f715);
    return uint32(word ^ (uint32(word) >>> 16));
  };
  const pool = [0, 1, 2, 3].map((place) => hash(seeds[place] ?? 0));
  for (let from = 0; from < 4; from++)
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mix(pool[to], hash(pool[from]));
  for (const seed of seeds.slice(4)) for (let to = 0; to < 4; to++) pool[to] = mix(pool[to], hash(seed));
  constant = 0x8b51f9dd;
  return Array.from({ length: count }, (_, place) => {
    let word = pool[place % 4] ^ constant;
    constant = Math.imul(constant, 0x58f38ded);
    word = Math.imul(word, constant);
    return uint32(word ^ (word >>> 16));
  });
}

const MASK = (1n << 128n) - 1n;
const FACTOR = (2549297995355413924n << 64n) | 4865540595714422341n;

/** Return a function that draws uniform numbers from [0, 1) as `np.random.default_rng(seeds).random()` does. */
export function defaultRng(...seeds) {
  const words = spread(seeds, 8).map(BigInt);
  const [high, low, first, second] = [0, 2, 4, 6].map((place) => words[place] | (words[place + 1] << 32n));
  const increment = ((((first << 64n) | second) << 1n) | 1n) & MASK;
  let state = (increment + ((high << 64n) | low)) & MASK;
  const walk = () => (state = (state * FACTOR + increment) & MASK);
  walk();
  return () => {
    walk();
    const folded = BigInt.asUintN(64, (state >> 64n) ^ state);
    const turn = state >> 122n;
    const turned = BigInt.asUintN(64, (folded >> turn) | (folded << (64n - turn)));
    return Number(turned >> 11n) * 2 ** -53;
  };
}

/** Return 0 ... n - 1 in an order drawn from uniform numbers: `dlbook.playground` draws the same. */
export function shuffled(n, draw) {
  const order = Array.from({ length: n }, (_, place) => place);
  for (let last = n - 1; last > 0; last--) {
    const other = Math.floor(draw() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}
