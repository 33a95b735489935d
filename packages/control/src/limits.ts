/** The bounds of the control plane; each says what breaks without it. */

/** Events of the audit trail that are kept, some 50 MB: without it the database grows for ever. */
export const AUDIT_EVENTS_MAX = 200_000;

/** Events of one page: an answer is held in memory. */
export const AUDIT_PAGE_MAX = 1000;

/** Characters of one text of an event: names come from outside. */
export const AUDIT_TEXT_CHARS_MAX = 1024;
