// Relative times stay true while a page is open. The wording is the server's (console/wording.py: ago).
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export function ago(seconds: number): string {
  const past = seconds >= 0;
  const length = Math.abs(seconds);
  if (length < 5) return "now";
  const text =
    length < MINUTE
      ? `${Math.floor(length)} s`
      : length < HOUR
        ? `${Math.floor(length / MINUTE)} min`
        : length < DAY
          ? `${Math.floor(length / HOUR)} h`
          : `${Math.floor(length / DAY)} d`;
  return past ? `${text} ago` : `in ${text}`;
}

export function refreshTimes(): void {
  const now = Date.now();
  document.querySelectorAll<HTMLTimeElement>("time[datetime]").forEach((time) => {
    const place = time.querySelector(".rel");
    const at = Date.parse(time.dateTime);
    if (!place || Number.isNaN(at)) return;
    const text = ago((now - at) / 1000);
    if (place.textContent !== text) place.textContent = text;
  });
}

export function startTimes(): void {
  setInterval(refreshTimes, 15_000);
}
