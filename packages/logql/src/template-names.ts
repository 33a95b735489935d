/** The names of every function a template may call: what the parser checks and the evaluator implements (a test holds the two together). */

const LOKI =
  "ToLower ToUpper Replace Trim TrimLeft TrimRight TrimPrefix TrimSuffix TrimSpace regexReplaceAll regexReplaceAllLiteral count " +
  "urldecode urlencode bytes duration duration_seconds unixEpochMillis unixEpochNanos toDateInZone unixToTime alignLeft alignRight " +
  "b64enc b64dec lower upper title trunc substr contains hasPrefix hasSuffix indent nindent replace repeat trim trimAll trimSuffix " +
  "trimPrefix int float64 add sub mul div mod addf subf mulf divf max min maxf minf ceil floor round fromJson date toDate now " +
  "unixEpoch default __line__ __timestamp__";

/** On top of those that text/template itself has. */
export const TEMPLATE_FUNCTION_NAMES: ReadonlySet<string> = new Set(LOKI.split(" "));
