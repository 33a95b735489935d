/** The bounds of sign-in; each says what breaks without it. */

/** Users: a list of them is answered at once. */
export const USERS_MAX = 10_000;

/** Sessions of one user; the one that was not used for longest ends for another. Without it the table grows with each sign-in. */
export const SESSIONS_PER_USER_MAX = 50;

/** API tokens of one user. */
export const TOKENS_PER_USER_MAX = 200;

/** Characters of names, addresses and what a browser calls itself: they come from outside. */
export const NAME_CHARS_MAX = 128;
export const USER_AGENT_CHARS_MAX = 256;

/** Characters of a selector that limits what is read. */
export const READ_SCOPE_CHARS_MAX = 1024;

/** Least characters of a password; NIST SP 800-63B asks for 8 at the least, and 15 where nothing else is asked for. */
export const PASSWORD_CHARS_MIN = 10;

/** Most bytes of a password: each is hashed, whoever sent it. */
export const PASSWORD_BYTES_MAX = 1024;

/** Passwords that wait to be hashed; one more is refused. Hashing takes memory and time on purpose, so it is done one by one. */
export const HASHES_WAITING_MAX = 16;

/** How often the last use of a session or token is written, at most: each is an fsync. */
export const SEEN_INTERVAL_MS = 60_000;
