/** Statistics of memcached and the metrics they are, named as memcached_exporter names them. */

export interface Figure {
  readonly type: "counter" | "gauge";
  /** As memcached calls it. */
  readonly key: string;
  /** Behind `memcached_`. */
  readonly name: string;
  readonly help: string;
}

function figure(type: Figure["type"], key: string, name: string, help: string): Figure {
  return { type, key, name, help };
}

/** Of `stats`. */
export const STATS: readonly Figure[] = [
  figure("counter", "uptime", "uptime_seconds", "Number of seconds since the server started."),
  figure("gauge", "time", "time_seconds", "current UNIX time according to the server."),
  figure(
    "counter",
    "rusage_user",
    "process_user_cpu_seconds_total",
    "Accumulated user time for this process.",
  ),
  figure(
    "counter",
    "rusage_system",
    "process_system_cpu_seconds_total",
    "Accumulated system time for this process.",
  ),
  figure("gauge", "bytes", "current_bytes", "Current number of bytes used to store items."),
  figure(
    "gauge",
    "limit_maxbytes",
    "limit_bytes",
    "Number of bytes this server is allowed to use for storage.",
  ),
  figure(
    "gauge",
    "curr_items",
    "current_items",
    "Current number of items stored by this instance.",
  ),
  figure(
    "counter",
    "total_items",
    "items_total",
    "Total number of items stored during the life of this instance.",
  ),
  figure(
    "counter",
    "bytes_read",
    "read_bytes_total",
    "Total number of bytes read by this server from network.",
  ),
  figure(
    "counter",
    "bytes_written",
    "written_bytes_total",
    "Total number of bytes sent by this server to network.",
  ),
  figure("gauge", "curr_connections", "current_connections", "Current number of open connections."),
  figure(
    "counter",
    "total_connections",
    "connections_total",
    "Total number of connections opened since the server started running.",
  ),
  figure(
    "counter",
    "rejected_connections",
    "connections_rejected_total",
    "Total number of connections rejected due to hitting the memcached's -c limit in maxconns_fast mode.",
  ),
  figure(
    "counter",
    "conn_yields",
    "connections_yielded_total",
    "Total number of connections yielded running due to hitting the memcached's -R limit.",
  ),
  figure(
    "counter",
    "listen_disabled_num",
    "connections_listener_disabled_total",
    "Number of times that memcached has hit its connections limit and disabled its listener.",
  ),
  figure(
    "counter",
    "evictions",
    "items_evicted_total",
    "Total number of valid items removed from cache to free memory for new items.",
  ),
  figure(
    "counter",
    "reclaimed",
    "items_reclaimed_total",
    "Total number of times an entry was stored using memory from an expired entry.",
  ),
  figure(
    "counter",
    "store_too_large",
    "item_too_large_total",
    "The number of times an item exceeded the max-item-size when being stored.",
  ),
  figure(
    "counter",
    "store_no_memory",
    "item_no_memory_total",
    "The number of times an item could not be stored due to no more memory.",
  ),
  figure(
    "counter",
    "lru_crawler_starts",
    "lru_crawler_starts_total",
    "Times an LRU crawler was started.",
  ),
  figure(
    "counter",
    "direct_reclaims",
    "direct_reclaims_total",
    "Times worker threads had to directly reclaim or evict items.",
  ),
  figure(
    "counter",
    "crawler_items_checked",
    "lru_crawler_items_checked_total",
    "Total items examined by LRU Crawler.",
  ),
  figure(
    "counter",
    "crawler_reclaimed",
    "lru_crawler_reclaimed_total",
    "Total items freed by LRU Crawler.",
  ),
  figure(
    "counter",
    "moves_to_cold",
    "lru_crawler_moves_to_cold_total",
    "Total number of items moved from HOT/WARM to COLD LRU's.",
  ),
  figure(
    "counter",
    "moves_to_warm",
    "lru_crawler_moves_to_warm_total",
    "Total number of items moved from COLD to WARM LRU.",
  ),
  figure(
    "counter",
    "moves_within_lru",
    "lru_crawler_moves_within_lru_total",
    "Total number of items reshuffled within HOT or WARM LRU's.",
  ),
  figure(
    "gauge",
    "total_malloced",
    "malloced_bytes",
    "Number of bytes of memory allocated to slab pages.",
  ),
  figure(
    "gauge",
    "accepting_conns",
    "accepting_connections",
    "The Memcached server is currently accepting new connections.",
  ),
];

/** Of `stats settings`. */
export const SETTINGS: readonly Figure[] = [
  figure("gauge", "maxconns", "max_connections", "Maximum number of clients allowed."),
];

/** Of `stats settings`, where the crawler of the LRU lists runs. */
export const CRAWLER: readonly Figure[] = [
  figure("gauge", "lru_crawler", "lru_crawler_enabled", "Whether the LRU crawler is enabled."),
  figure(
    "gauge",
    "lru_crawler_sleep",
    "lru_crawler_sleep",
    "Microseconds to sleep between LRU crawls.",
  ),
  figure(
    "gauge",
    "lru_crawler_tocrawl",
    "lru_crawler_to_crawl",
    "Max items to crawl per slab per run.",
  ),
  figure(
    "gauge",
    "lru_maintainer_thread",
    "lru_crawler_maintainer_thread",
    "Split LRU mode and background threads.",
  ),
  figure(
    "gauge",
    "hot_lru_pct",
    "lru_crawler_hot_percent",
    "Percent of slab memory reserved for HOT LRU.",
  ),
  figure(
    "gauge",
    "warm_lru_pct",
    "lru_crawler_warm_percent",
    "Percent of slab memory reserved for WARM LRU.",
  ),
  figure(
    "gauge",
    "hot_max_factor",
    "lru_crawler_hot_max_factor",
    "Set idle age of HOT LRU to COLD age * this",
  ),
  figure(
    "gauge",
    "warm_max_factor",
    "lru_crawler_warm_max_factor",
    "Set idle age of WARM LRU to COLD age * this",
  ),
];

/** Of `stats items`, by class of slabs. */
export const ITEMS: readonly Figure[] = [
  figure(
    "gauge",
    "number",
    "slab_current_items",
    "Number of items currently stored in this slab class.",
  ),
  figure(
    "gauge",
    "age",
    "slab_items_age_seconds",
    "Number of seconds the oldest item has been in the slab class.",
  ),
  figure(
    "counter",
    "crawler_reclaimed",
    "slab_items_crawler_reclaimed_total",
    "Number of items freed by the LRU Crawler.",
  ),
  figure(
    "counter",
    "evicted",
    "slab_items_evicted_total",
    "Total number of times an item had to be evicted from the LRU before it expired.",
  ),
  figure(
    "counter",
    "evicted_nonzero",
    "slab_items_evicted_nonzero_total",
    "Total number of times an item which had an explicit expire time set had to be evicted from the LRU before it expired.",
  ),
  figure(
    "counter",
    "evicted_time",
    "slab_items_evicted_time_seconds",
    "Seconds since the last access for the most recent item evicted from this class.",
  ),
  figure(
    "counter",
    "evicted_unfetched",
    "slab_items_evicted_unfetched_total",
    "Total nmber of items evicted and never fetched.",
  ),
  figure(
    "counter",
    "expired_unfetched",
    "slab_items_expired_unfetched_total",
    "Total number of valid items evicted from the LRU which were never touched after being set.",
  ),
  figure(
    "counter",
    "outofmemory",
    "slab_items_outofmemory_total",
    "Total number of items for this slab class that have triggered an out of memory error.",
  ),
  figure("counter", "reclaimed", "slab_items_reclaimed_total", "Total number of items reclaimed."),
  figure(
    "counter",
    "tailrepairs",
    "slab_items_tailrepairs_total",
    "Total number of times the entries for a particular ID need repairing.",
  ),
  figure(
    "counter",
    "moves_to_cold",
    "slab_items_moves_to_cold",
    "Number of items moved from HOT or WARM into COLD.",
  ),
  figure(
    "counter",
    "moves_to_warm",
    "slab_items_moves_to_warm",
    "Number of items moves from COLD into WARM.",
  ),
  figure(
    "counter",
    "moves_within_lru",
    "slab_items_moves_within_lru",
    "Number of times active items were bumped within HOT or WARM.",
  ),
  figure(
    "gauge",
    "number_hot",
    "slab_hot_items",
    "Number of items presently stored in the HOT LRU.",
  ),
  figure(
    "gauge",
    "number_warm",
    "slab_warm_items",
    "Number of items presently stored in the WARM LRU.",
  ),
  figure(
    "gauge",
    "number_cold",
    "slab_cold_items",
    "Number of items presently stored in the COLD LRU.",
  ),
  figure(
    "gauge",
    "number_temp",
    "slab_temporary_items",
    "Number of items presently stored in the TEMPORARY LRU.",
  ),
  figure("gauge", "age_hot", "slab_hot_age_seconds", "Age of the oldest item in HOT LRU."),
  figure("gauge", "age_warm", "slab_warm_age_seconds", "Age of the oldest item in HOT LRU."),
];

/** Of `stats slabs`, by class of slabs. */
export const SLABS: readonly Figure[] = [
  figure(
    "gauge",
    "chunk_size",
    "slab_chunk_size_bytes",
    "Number of bytes allocated to each chunk within this slab class.",
  ),
  figure(
    "gauge",
    "chunks_per_page",
    "slab_chunks_per_page",
    "Number of chunks within a single page for this slab class.",
  ),
  figure(
    "gauge",
    "total_pages",
    "slab_current_pages",
    "Number of pages allocated to this slab class.",
  ),
  figure(
    "gauge",
    "total_chunks",
    "slab_current_chunks",
    "Number of chunks allocated to this slab class.",
  ),
  figure("gauge", "used_chunks", "slab_chunks_used", "Number of chunks allocated to an item."),
  figure("gauge", "free_chunks", "slab_chunks_free", "Number of chunks not yet allocated items."),
  figure(
    "gauge",
    "free_chunks_end",
    "slab_chunks_free_end",
    "Number of free chunks at the end of the last allocated page.",
  ),
  figure(
    "gauge",
    "mem_requested",
    "slab_mem_requested_bytes",
    "Number of bytes of memory actual items take up within a slab.",
  ),
];

/** Of `stats`, where items are kept on disk, too. */
export const EXTSTORE: readonly Figure[] = [
  figure(
    "counter",
    "extstore_compact_lost",
    "extstore_compact_lost_total",
    "Total number of items lost because they were locked during extstore compaction.",
  ),
  figure(
    "counter",
    "extstore_compact_rescues",
    "extstore_compact_rescued_total",
    "Total number of items moved to a new page during extstore compaction,",
  ),
  figure(
    "counter",
    "extstore_compact_skipped",
    "extstore_compact_skipped_total",
    "Total number of items dropped due to inactivity during extstore compaction.",
  ),
  figure(
    "counter",
    "extstore_page_allocs",
    "extstore_pages_allocated_total",
    "Total number of times a page was allocated in extstore.",
  ),
  figure(
    "counter",
    "extstore_page_evictions",
    "extstore_pages_evicted_total",
    "Total number of times a page was evicted from extstore.",
  ),
  figure(
    "counter",
    "extstore_page_reclaims",
    "extstore_pages_reclaimed_total",
    "Total number of times an empty extstore page was freed.",
  ),
  figure(
    "gauge",
    "extstore_pages_free",
    "extstore_pages_free",
    "Number of extstore pages not yet containing any items.",
  ),
  figure(
    "gauge",
    "extstore_pages_used",
    "extstore_pages_used",
    "Number of extstore pages containing at least one item.",
  ),
  figure(
    "counter",
    "extstore_objects_evicted",
    "extstore_objects_evicted_total",
    "Total number of items evicted from extstore to free up space.",
  ),
  figure(
    "counter",
    "extstore_objects_read",
    "extstore_objects_read_total",
    "Total number of items read from extstore.",
  ),
  figure(
    "counter",
    "extstore_objects_written",
    "extstore_objects_written_total",
    "Total number of items written to extstore.",
  ),
  figure(
    "gauge",
    "extstore_objects_used",
    "extstore_objects_used",
    "Number of items stored in extstore.",
  ),
  figure(
    "counter",
    "extstore_bytes_evicted",
    "extstore_bytes_evicted_total",
    "Total number of bytes evicted from extstore to free up space.",
  ),
  figure(
    "counter",
    "extstore_bytes_written",
    "extstore_bytes_written_total",
    "Total number of bytes written to extstore.",
  ),
  figure(
    "counter",
    "extstore_bytes_read",
    "extstore_bytes_read_total",
    "Total number of bytes read from extstore.",
  ),
  figure(
    "counter",
    "extstore_bytes_used",
    "extstore_bytes_used",
    "Current number of bytes used to store items in extstore.",
  ),
  figure(
    "gauge",
    "extstore_bytes_fragmented",
    "extstore_bytes_fragmented",
    "Current number of bytes in extstore pages allocated but not used to store an object.",
  ),
  figure(
    "gauge",
    "extstore_limit_maxbytes",
    "extstore_bytes_limit",
    "Number of bytes of external storage allocated for this server.",
  ),
  figure(
    "gauge",
    "extstore_io_queue",
    "extstore_io_queue_depth",
    "Number of items in the I/O queue waiting to be processed.",
  ),
];
