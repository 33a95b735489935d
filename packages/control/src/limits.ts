/** The bounds of the control plane; each says what breaks without it. */

/** Events of the audit trail that are kept, some 50 MB: without it the database grows for ever. */
export const AUDIT_EVENTS_MAX = 200_000;

/** Events of one page: an answer is held in memory. */
export const AUDIT_PAGE_MAX = 1000;

/** Characters of one text of an event: names come from outside. */
export const AUDIT_TEXT_CHARS_MAX = 1024;

/** Agents of one service; the design is for 200 machines, a listing holds all of them. */
export const AGENTS_MAX = 10_000;

/** Labels, log sources or metrics targets of an agent: each becomes part of its configuration. */
export const AGENT_LIST_MAX = 256;

/** Characters of one of them. */
export const AGENT_TEXT_CHARS_MAX = 2048;

/** Characters of the name of a machine, as DNS has it. */
export const HOSTNAME_CHARS_MAX = 253;

/** Characters of a token: without it anybody could have us look through megabytes. */
export const TOKEN_CHARS_MAX = 16_384;

/** Characters of a client's certificate as a header; one on P-256 has some 700. */
export const CLIENT_CERTIFICATE_CHARS_MAX = 16_384;

/** Bytes of a file with the authorities of a client. */
export const AUTHORITY_FILE_BYTES_MAX = 65_536;

/** Authorities of one client: each is tried, which takes a verification. */
export const AUTHORITIES_OF_CLIENT_MAX = 4;

/** Bytes of a message of gRPC; the lists of an agent fit in with room. */
export const RPC_MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

/** Copies of the database that are kept. */
export const BACKUPS_MAX = 7;

/** How soon a `finch.json` that another program wrote holds. */
export const IDENTITY_CHECK_MS = 2000;

/** Refusals a minute that are logged. */
export const REFUSALS_LOGGED_MAX = 20;
