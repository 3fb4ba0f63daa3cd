"""Size limits of documents and attempts, each with its reason.

Used by the readers and the records' types.
"""

#: Bytes of a document as canonical JSON. A custom resource with its metadata must fit into etcd (1.5 MiB per request).
MAX_DOCUMENT_BYTES = 1 << 20
#: Bytes of the YAML or JSON text, which comments and indentation can make several times larger than its data.
MAX_TEXT_BYTES = 4 << 20
#: Characters of a document with its YAML aliases expanded, a node counting as NODE_WEIGHT of them. Building a node
#: takes a microsecond, so the worst text blocks a process for about a second.
MAX_EXPANDED = 4 << 20
NODE_WEIGHT = 8
#: Nested lists and mappings, in any text. Valid documents have at most 8 levels.
MAX_DEPTH = 32
#: Whole numbers beyond this are not exact in JSON readers that use doubles (2**53).
MAX_INTEGER = (1 << 53) - 1

#: Items of a form: the longest inventories in use have fewer than 600.
MAX_ITEMS = 2_000
#: Options of an item: an answer is stored as one byte, and codes from 250 up are reserved for missing answers.
MAX_OPTIONS = 250
#: Scales of an instrument: 12 bytes of result each, per attempt.
MAX_SCALES = 500
#: Items over all scales, counted once per scale: the cost of scoring one attempt.
MAX_TERMS = 20_000
#: Bands of a scale: a band is stored as one byte.
MAX_BANDS = 100
#: Declared attributes, and values of one.
MAX_ATTRIBUTES = 100
MAX_VALUES = 250

#: Characters of a formula or a condition.
MAX_EXPRESSION = 4_096
#: Options of a Multiple or Ranking whose combinations are one byte: 2**7 = 128 choices, 5! = 120 orders.
MAX_CODED_CHOICES, MAX_CODED_RANKS = 7, 5
#: Codes of a one-byte answer; the others are reasons for no answer.
MAX_CODES_OF_BYTE = 250
#: Bytes of the answers to all items of a form without texts, and of an attempt with its texts: their number is stored
#: in 16 bits.
MAX_ROW_BYTES, MAX_PACKED_BYTES = 32_000, 65_535
#: Characters of a free text: the default, and the maximum that an item may declare.
DEFAULT_TEXT, MAX_TEXT = 1_000, 10_000
#: Sections, norm groups, translations, profiles, scales that a profile compares, codes of one record.
MAX_SECTIONS = 500
MAX_NORM_GROUPS = 250
MAX_TRANSLATIONS = 100
MAX_PROFILES = 100
MAX_PROFILE_SCALES = 50
MAX_CODES = 50
#: Rows of a table of scores: a row is stored in 16 bits.
MAX_LOOKUP_ROWS = 2_000
#: Decimals to which a raw score may be rounded: a half of the last one has 9, the precision of comparisons.
MAX_ROUND_DECIMALS = 8
#: Seconds of a time limit: a day. Days of retention of attempts: a century.
MAX_TIME_LIMIT = 86_400
MAX_RETENTION_DAYS = 36_525

#: Characters: an id or name, an option's or attribute's value, a title, a line shown to participants, a passage.
MAX_ID = 64
MAX_VALUE = 64
MAX_TITLE = 500
MAX_LINE = 5_000
MAX_PASSAGE = 50_000

#: Numbers of a document: 0, or of a magnitude between these two, so that no score overflows or is below the 9 decimals
#: of an edge.
LARGEST_NUMBER = 1_000_000_000
SMALLEST_NUMBER = 1e-9

#: Bytes of a submitted attempt: 2,000 items with ids and values of full length.
MAX_ATTEMPT_BYTES = 256 << 10
#: Characters of an attempt's key, of a participant's pseudonym, of an attribute that is text.
MAX_KEY = 64
MAX_PARTICIPANT = 128
MAX_ATTRIBUTE_TEXT = 256
MAX_LANGUAGE = 35
#: The highest revision: stored in 32 bits.
MAX_REVISION = (1 << 32) - 1
