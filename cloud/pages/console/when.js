// The town's clock, as far as this page knows it: the service tells the time with its answers, the
// device counts on from there. A clerk's computer with a wrong clock still shows the right "now".

let ahead = 0; // the service's clock minus the device's, seconds

const device = () => Date.now() / 1000;

export function noteTime(unixS) {
  if (Number.isFinite(unixS)) ahead = unixS - device();
}

/** Unix seconds of the town's clock. */
export function now() {
  return Math.floor(device() + ahead);
}
