// Sums over the lines of GET /v1/staff/totals. Pure.

/** Whether this is a month as the town's service takes it: 2026-12. */
export function isMonth(text) {
  return /^20\d{2}-(0[1-9]|1[0-2])$/.test(text);
}

/** The month of a day: "2026-12-05" -> "2026-12". */
export function monthOf(dayText) {
  return dayText.slice(0, 7);
}

/** What of a house's fees is still to come, whatever way it shall be paid. */
export function unpaidOf(line) {
  return line.counter_yen + line.invoice_yen + line.pending_yen;
}

/** All houses in one line. */
export function sumOf(lines) {
  const sum = {};
  for (const line of lines) {
    for (const [name, value] of Object.entries(line)) {
      if (typeof value === "number") sum[name] = (sum[name] ?? 0) + value;
    }
  }
  return sum;
}
