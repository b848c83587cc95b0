const timestamp =
  /^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]*))?(?:[ \t]*(Z|([-+])([0-9]{1,2})(?::([0-9]{2}))?))?)?$/;

/**
 * A date or time of YAML 1.1 in the form that Ansible prints (Python's `isoformat`): `2001-12-14`, `2001-12-14T21:59:43.100000-05:00`.
 * Undefined for what is none, as the 30th of February.
 */
export function timestampText(text: string): string | undefined {
  const found = timestamp.exec(text);
  if (found === null) return undefined;
  const [, year = '', month = '', day = '', hour, minute = '', second = '', fraction = '', zone] = found;
  const date = `${year}-${two(month)}-${two(day)}`;
  if (!isDate(Number(year), Number(month), Number(day))) return undefined;
  if (hour === undefined) return date;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  const offset = zone === undefined ? '' : offsetText(found[9] ?? '+', Number(found[10] ?? 0), Number(found[11] ?? 0));
  if (offset === undefined) return undefined;
  const microseconds = fraction.slice(0, 6).padEnd(6, '0');
  const rest = Number(microseconds) === 0 ? '' : `.${microseconds}`;
  return `${date}T${two(hour)}:${minute}:${second}${rest}${offset}`;
}

function isDate(year: number, month: number, day: number): boolean {
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
  return day <= days;
}

/** Undefined for a day or more, which no zone is away from UTC. */
function offsetText(sign: string, hours: number, minutes: number): string | undefined {
  const total = hours * 60 + minutes;
  if (total >= 24 * 60) return undefined;
  const shown = total === 0 ? '+' : sign;
  return `${shown}${two(String(Math.floor(total / 60)))}:${two(String(total % 60))}`;
}

function two(digits: string): string {
  return digits.padStart(2, '0');
}
