/** What kind of computer the browser runs on, as far as the names of keys depend on it. */

export function isApple(): boolean {
  return /Mac|iPhone|iPad/.test(navigator.platform);
}
