/** What the decoders accept at most. Each limit says what breaks without it. */

export interface RemoteWriteLimits {
  /** Bytes of the body as sent; a larger one is never buffered to decode. */
  readonly bodyBytesMax: number;
  /** Bytes after decompression; Snappy packs 21:1, so a small body would fill the memory. */
  readonly decodedBytesMax: number;
  /** Series and samples of a request; empty messages of two bytes would expand into columns many times their size. */
  readonly seriesMax: number;
  readonly samplesMax: number;
  readonly metadataMax: number;
  readonly exemplarsMax: number;
  /** Native histograms; an empty one is two bytes on the wire, hundreds in memory. */
  readonly histogramsMax: number;
  /** Buckets and bounds of all native histograms; each takes eight times its bytes. */
  readonly histogramBucketsMax: number;
  /** Of remote write 2.0: symbols, and bytes of the labels once references are followed. Both would grow without end from a small body. */
  readonly symbolsMax: number;
  readonly labelBytesMax: number;
  /** Labels and their sizes in bytes; the index keeps each distinct one in memory. */
  readonly labelsPerSeriesMax: number;
  readonly labelNameBytesMax: number;
  readonly labelValueBytesMax: number;
}

/** Room for the largest batches that Prometheus and Alloy send by default (2000 samples), several times over. */
export const DEFAULT_REMOTE_WRITE_LIMITS: RemoteWriteLimits = {
  bodyBytesMax: 16 << 20,
  decodedBytesMax: 64 << 20,
  seriesMax: 200_000,
  samplesMax: 1_000_000,
  metadataMax: 50_000,
  exemplarsMax: 100_000,
  histogramsMax: 100_000,
  histogramBucketsMax: 4_000_000,
  symbolsMax: 1_000_000,
  labelBytesMax: 128 << 20,
  labelsPerSeriesMax: 128,
  labelNameBytesMax: 1024,
  labelValueBytesMax: 8192,
};

export interface LokiPushLimits {
  /** Bytes of the body as sent. */
  readonly bodyBytesMax: number;
  /** Bytes after decompression; gzip packs 1000:1. */
  readonly decodedBytesMax: number;
  readonly streamsMax: number;
  readonly entriesMax: number;
  /** Brackets open at once, and opened in all, in a JSON body; each becomes an object many times its size before it can be looked at. */
  readonly jsonDepthMax: number;
  readonly jsonContainersMax: number;
  /** Bytes of the label string of a stream, its labels, and their sizes in bytes. */
  readonly labelStringBytesMax: number;
  readonly labelsPerStreamMax: number;
  readonly labelNameBytesMax: number;
  readonly labelValueBytesMax: number;
  /** Bytes of a line; a page of the store holds whole lines. */
  readonly lineBytesMax: number;
  /** Structured metadata of one entry: pairs, and bytes of names and values together. */
  readonly metadataPairsMax: number;
  readonly metadataBytesMax: number;
}

/** The limits of a Loki of today, with more room for labels. */
export const DEFAULT_LOKI_PUSH_LIMITS: LokiPushLimits = {
  bodyBytesMax: 16 << 20,
  decodedBytesMax: 64 << 20,
  streamsMax: 50_000,
  entriesMax: 500_000,
  jsonDepthMax: 16,
  jsonContainersMax: 1_100_000,
  labelStringBytesMax: 64 << 10,
  labelsPerStreamMax: 32,
  labelNameBytesMax: 1024,
  labelValueBytesMax: 2048,
  lineBytesMax: 256 << 10,
  metadataPairsMax: 128,
  metadataBytesMax: 64 << 10,
};

export interface ExpositionLimits {
  /** Bytes of the text; a target that answers without end would fill the memory. */
  readonly textBytesMax: number;
  readonly samplesMax: number;
  readonly labelsPerSeriesMax: number;
  readonly labelNameBytesMax: number;
  readonly labelValueBytesMax: number;
}

export const DEFAULT_EXPOSITION_LIMITS: ExpositionLimits = {
  textBytesMax: 64 << 20,
  samplesMax: 1_000_000,
  labelsPerSeriesMax: 128,
  labelNameBytesMax: 1024,
  labelValueBytesMax: 8192,
};

/** Buckets and custom bounds of one native histogram; a message of a byte a bucket would expand to eight times its size. */
export const HISTOGRAM_BUCKETS_MAX = 65_536;

/** Messages about single series or entries that a result carries; the rest are only counted, or a bad request would answer with a huge body. */
export const FAULTS_MAX = 10;
