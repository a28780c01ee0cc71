// From strokes to what the networks read: 28 x 28 pixels of paper (0) and ink (1), prepared as the digits of MNIST were.
// The drawing is scaled into a box of 20 x 20, longer side first, and moved until its center of mass is the center.

export const SIZE = 28;
const BOX = 20, PEN = 1.1, EDGE = 0.5; // half of the pen's width, and of the soft edge around it, in pixels of the result
const LEAST = SIZE / 10; // what is smaller is a dot, and is not blown up to a blot

function distance([x, y], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay], length = dx * dx + dy * dy;
  const t = length && Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / length));
  return Math.sqrt((x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2); // hypot() is slow
}

// the pixels that a line from a to b can reach, along one axis
const reached = (a, b) => [
  Math.max(0, Math.floor(Math.min(a, b) - PEN - EDGE)),
  Math.min(SIZE, Math.ceil(Math.max(a, b) + PEN + EDGE)),
];

function render(strokes) {
  const image = new Float64Array(SIZE * SIZE);
  for (const stroke of strokes)
    for (let k = Math.min(1, stroke.length - 1); k < stroke.length; k++) {
      const [from, to] = [stroke[Math.max(0, k - 1)], stroke[k]];
      const [[left, right], [top, bottom]] = [0, 1].map((axis) => reached(from[axis], to[axis]));
      for (let y = top; y < bottom; y++)
        for (let x = left; x < right; x++) {
          const ink = Math.min(1, PEN + EDGE - distance([x + 0.5, y + 0.5], from, to));
          image[SIZE * y + x] = Math.max(image[SIZE * y + x], ink);
        }
    }
  return image;
}

export function centerOfMass(image) {
  let [mass, x, y] = [0, 0, 0];
  image.forEach((ink, at) => {
    mass += ink;
    x += ink * ((at % SIZE) + 0.5);
    y += ink * (Math.floor(at / SIZE) + 0.5);
  });
  return mass ? [x / mass, y / mass] : [SIZE / 2, SIZE / 2];
}

// `strokes` are lists of points [x, y], in pixels of a pad that is SIZE wide
export function prepare(strokes) {
  const points = strokes.flat();
  const ends = [0, 1].map((axis) => [Math.min(...points.map((p) => p[axis])), Math.max(...points.map((p) => p[axis]))]);
  const longer = Math.max(LEAST, ...ends.map(([low, high]) => high - low));
  const scale = (BOX - 2 * PEN) / longer;
  const move = (by) => (at, axis) => scale * (at - (ends[axis][0] + ends[axis][1]) / 2) + by[axis];
  const moved = (by) => strokes.map((stroke) => stroke.map((point) => point.map(move(by))));
  const middle = [SIZE / 2, SIZE / 2];
  const mass = centerOfMass(render(moved(middle)));
  return render(moved(middle.map((at, axis) => 2 * at - mass[axis])));
}

// move the picture by whole pixels; what leaves it is gone, what enters is paper
export function shift(image, [right, down]) {
  return image.map((_, at) => {
    const [x, y] = [(at % SIZE) - right, Math.floor(at / SIZE) - down];
    return x >= 0 && x < SIZE && y >= 0 && y < SIZE ? image[SIZE * y + x] : 0;
  });
}

// what LeNet-5 reads: paper -0.1, ink 1.175, two pixels of paper on each side
export function padded(image) {
  const wide = SIZE + 4, result = new Float64Array(wide * wide).fill(-0.1);
  image.forEach((ink, at) => (result[wide * (Math.floor(at / SIZE) + 2) + (at % SIZE) + 2] = 1.275 * ink - 0.1));
  return result;
}
