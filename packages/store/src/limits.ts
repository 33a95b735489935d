/** All limits of the store, each with what breaks without it. */
import type { Retention, StoreLimits } from "./api.ts";

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;

export const DEFAULT_LIMITS: StoreLimits = {
  // A series of metrics takes about 400 bytes with its labels, key and open samples, a stream of logs 1.5 KB; twice that while a head is sealed. What
  // labels take is bounded by LABEL_BYTES_FACTOR besides.
  headSeriesMax: 2_000_000,
  pendingBytesMax: 64 * MIB,
  headBytesMax: 64 * MIB,
  // As long as the retention: what an agent kept while it was cut off must not be refused because others are ahead.
  outOfOrderWindowMs: 72 * HOUR_MS,
  futureWindowMs: 10 * 60_000,
  freeBytesMin: 256 * MIB,
};

export const DEFAULT_RETENTION: Retention = { maxAgeMs: 72 * HOUR_MS, maxDiskShare: 0.4 };

/** One record of the WAL; a damaged length could else ask for gigabytes of memory at recovery. */
export const RECORD_BYTES_MAX = 256 * MIB;

/** A WAL segment is closed above this; larger ones would keep disk space longer after a cut. */
export const SEGMENT_BYTES_MAX = 32 * MIB;

/** Room that a WAL segment gets ahead of its records: less would be asked for often, more would be taken from a disk for nothing. */
export const ALLOCATION_BYTES_MIN = 64 << 10;
export const ALLOCATION_BYTES_MAX = 1 * MIB;

/** So many commits that need less than a quarter of the buffer for commits give it back; one large write would else hold its memory for good. */
export const SMALL_COMMITS_MAX = 64;

/** Records of one commit together; more go into the next, so that one fsync does not make all wait. */
export const COMMIT_BYTES_MAX = 16 * MIB;

/** WAL bytes read ahead at replay. */
export const REPLAY_CHUNK_BYTES = 1 * MIB;

/**
 * The head is sealed when it began this long ago; else memory and replay time grow with uptime. And early when its data spans this much: what was kept
 * during an outage comes within minutes, and would all be held at once.
 */
export const HEAD_AGE_MAX_MS = 2 * HOUR_MS;

/** How often age, size and retention are looked at. */
export const MAINTENANCE_INTERVAL_MS = 15_000;

/** How often a write that comes while the disk is full has free space looked at; a look a write would cost each sender a call of the system. */
export const SPACE_LOOK_MS = 1000;

/**
 * A large head, or one that spans long, is sealed early only when rows take this share of `headBytesMax`. Sealing gives back nothing of what comes with
 * the series: with very many of them, each append would else seal, and so would one late sample.
 */
export const SEALABLE_SHARE_MIN = 0.25;

/** Appends are refused when the rows of head and sealing head together take this many times `headBytesMax`; else memory has no end while the disk is full. */
export const HEAD_OVERFLOW_FACTOR = 3;

/** The head is sealed early when its records in the log take this many times `headBytesMax`: repetitions fill the log and not the head. */
export const LOG_BYTES_FACTOR = 16;

/** Most of a small disk that `freeBytesMin` may claim; a disk of 512 MiB would else be full from the start. */
export const FREE_SHARE_MAX = 0.1;

/** Work on the event loop before others get a turn; without it, a large select or seal starves ingest. */
export const SLICE_MS = 4;

/** Rest of a merge between two slices while somebody reads: a search of many blocks waits for hundreds of reads, and without it for a slice at each. */
export const BACKGROUND_REST_MS = 16;

/** Decoded index pages kept in memory, per store; without a bound, old blocks would pile up in memory. Query workers have caches of their own. */
export const INDEX_CACHE_BYTES = 16 * MIB;

/** Raw bytes of one page of a block's index. */
export const INDEX_PAGE_BYTES = 16 * 1024;

/** Series of one page of a block's index; larger pages compress better, and a look at one series reads and decompresses more. */
export const SERIES_PER_PAGE = 256;

/** Most samples of one chunk of a series, at most codec's BLOCK_ROWS; larger ones would make a short query decode more than it needs. */
export const CHUNK_SAMPLES_MAX = 512;

/** Raw bytes of one page of chunks, which has one checksum; larger ones would make a look at one series read more. */
export const CHUNK_PAGE_BYTES = 16 * 1024;

/**
 * Timestamp rows kept while a block is written, to find series that share them; beyond it the oldest are forgotten and may be written twice.
 * 64 MiB are 17,000 scrape targets in a block of two hours.
 */
export const TIME_ROWS_BYTES_MAX = 64 * MIB;

/** Samples a series keeps raw before they are encoded, 32 at most; more would cost memory at many series, fewer would compress worse. */
export const OPEN_CHUNK_SAMPLES = 32;

/** Late samples of one series before the head is sealed; each insertion moves what stands after it. */
export const LATE_SAMPLES_MAX = 16_384;

/** Raw line bytes of a log page in the head and in blocks. */
export const LOG_PAGE_BYTES = 1 * MIB;

/** Rows of a log page; many tiny lines would else make the columns larger than the lines. */
export const LOG_PAGE_ROWS = 32_768;

/** Bytes of adjacent metric pages fetched in one read. */
export const READ_BYTES_MAX = 1 * MIB;

/** Unwanted bytes between two wanted pages that are read along rather than skipped. */
export const READ_GAP_BYTES = 8 * 1024;

/** Series in one batch of `select`; the consumer can work while the next is read. */
export const SELECT_BATCH_SERIES = 256;
/** Samples in one batch of `select`. */
export const SELECT_BATCH_SAMPLES = 262_144;

/** Label sets of a head that are remembered, and up to as many more: half a kilobyte each. */
export const LABEL_SETS_KEPT = 12_288;

/** Exemplars kept in memory, the newest of all series; each takes some hundred bytes. */
export const EXEMPLARS_MAX = 16_384;

/** Families whose metadata is kept. */
export const METADATA_FAMILIES_MAX = 100_000;

/**
 * Labels of a head, as a multiple of `headBytesMax` but at least the bytes named; then new series are refused. Without it, few series with long
 * labels fill the memory, however small their count.
 */
export const LABEL_BYTES_FACTOR = 2;
export const LABEL_BYTES_MIN = 32 * MIB;

/** Share of the room for series from which on a head is sealed early, if so many of its series are idle; churn would else fill it, and new series be refused. */
export const FULL_INDEX_SHARE = 0.7;
export const IDLE_SERIES_SHARE = 0.3;
/** A series is idle when its newest sample is this much older than the newest of all. */
export const IDLE_SERIES_MS = 10 * 60_000;

/** Series keys remembered for lookup without parsing, likewise; beyond it series are found by their labels. */
export const KEY_BYTES_FACTOR = 1;
export const KEY_BYTES_MIN = 16 * MIB;

/** Deletes that are not yet carried out in all blocks; each costs every query a selection in the blocks it concerns. */
export const DELETES_MAX = 1000;
/** Deletes of lines that are carried out and still listed: the file is written anew with each delete. */
export const DELETES_REMEMBERED_MAX = 1000;
/** Deletes of lines are carried out after this long without being asked to; before it they can be taken back as a rule. */
export const LINE_DELETE_WAIT_MS = 24 * HOUR_MS;
/** Above this many, they are carried out without being asked to. */
export const DELETES_KEPT_MAX = 64;

/** Blocks opened at once at start: one after the other, thousands of them would take seconds. */
export const OPEN_BLOCKS_AT_ONCE = 16;

/** Blocks of one level that are merged into one of the next: as soon as there are so many. */
export const COMPACTION_FANOUT = 4;
/**
 * Of logs, as many as this at once when there are more: the more pages of a stream come together, the less often its lines are encoded again. Each block that is read
 * takes a segment of pages in memory.
 */
export const LOG_COMPACTION_BLOCKS_MAX = 16;

/** A merged block may span this share of the retention, but at least the hours named: whole blocks expire, so that larger ones keep data too long. */
export const COMPACTION_SPAN_SHARE = 0.1;
export const COMPACTION_SPAN_MS_MIN = 8 * HOUR_MS;
export const COMPACTION_SPAN_MS_MAX = 31 * 24 * HOUR_MS;

/** Bytes of the blocks that are merged into one; more would need as much free disk again, for hours. */
export const COMPACTION_BYTES_MAX = 4096 * MIB;

/** After a merge failed, the next is tried this much later, then twice as long, up to the maximum: on a sick disk each would write in vain. */
export const COMPACTION_RETRY_MS = 60_000;
export const COMPACTION_RETRY_MS_MAX = HOUR_MS;

/** Blocks whose files stay open while nobody reads them; a process may have only so many open files. */
export const IDLE_BLOCKS_MAX = 64;
/** The same of each thread that reads lent blocks. */
export const IDLE_LENT_BLOCKS_MAX = 16;

/** How often blocks are held against the retention rules; each look selects in every block. */
export const RETENTION_RULES_INTERVAL_MS = 10 * 60_000;

/** Distinct label values that one count of the cardinality holds; each takes some 100 bytes while it runs. */
export const CARDINALITY_PAIRS_MAX = 2_000_000;
