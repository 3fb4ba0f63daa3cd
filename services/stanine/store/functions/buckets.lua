--[[
Fingerprint indexes (8 bytes): callers' keys (`k`) and participants (`p`). An entry is a hint; its record is
authoritative.

Entries are distributed over buckets by the first bits of their fingerprints. A bucket `k:<level>:<number>` is a hash
small enough for a listpack. Level 0 has 2^FIRST_BITS buckets, each further level eight times as many. While a level's
mean grows from SPLIT_FROM to twice that, its buckets are split in order, each into eight, one per SPLIT_FROM added
entries. The number of entries (in `sizes`) thus determines the state, and a call moves only a few buckets.
]]

local SPLIT_FROM = @SPLIT_FROM@
local FIRST_BITS, MORE_BITS = @FIRST_BITS@, 3
-- Values of a fingerprint's first two bytes per bucket of level 0.
local NAME_WIDTH = 2 ^ (16 - FIRST_BITS)

local function numeral(number)
  return string.format('%.0f', number)
end

-- Return the current level and the number of split buckets for a number of entries.
local function shape_of(entries)
  local level, buckets = 0, 2 ^ FIRST_BITS
  while entries >= 2 * SPLIT_FROM * buckets do
    level, buckets = level + 1, buckets * 2 ^ MORE_BITS
  end
  return level, max(0, floor(entries / SPLIT_FROM) - buckets)
end

-- Names of the level-0 buckets by prefix, cached because each submission uses them.
local NAMES = {}

-- Open an index for one function call.
local function open_index(prefix, family)
  local entries = tonumber(redis.call('HGET', prefix .. 'sizes', family) or 0)
  local level, split = shape_of(entries)
  local whole = prefix .. family .. ':' .. level .. ':'
  NAMES[whole] = level == 0 and (NAMES[whole] or {}) or nil
  return {
    sizes = prefix .. 'sizes', family = family, entries = entries, split = split, names = split == 0 and NAMES[whole],
    whole = whole, parts = prefix .. family .. ':' .. level + 1 .. ':',
    width = 2 ^ (32 - FIRST_BITS - level * MORE_BITS), part_width = 2 ^ (32 - FIRST_BITS - (level + 1) * MORE_BITS),
  }
end

local function hash_of(fingerprint)
  local a, b, c, d = byte(fingerprint, 1, 4)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

local function bucket_of(index, fingerprint)
  local names = index.names
  if names then
    local a, b = byte(fingerprint, 1, 2)
    local bucket = a * 256 + b
    bucket = (bucket - bucket % NAME_WIDTH) / NAME_WIDTH
    local name = names[bucket]
    if not name then
      name = index.whole .. numeral(bucket)
      names[bucket] = name
    end
    return name
  end
  local hash = hash_of(fingerprint)
  local bucket = floor(hash / index.width)
  if bucket < index.split then
    return index.parts .. numeral(floor(hash / index.part_width))
  end
  return index.whole .. numeral(bucket)
end

-- Return the number of split buckets after `added` further entries.
local function splits_after(index, added)
  return min(max(0, floor((index.entries + added) / SPLIT_FROM) - 2 ^ 32 / index.width), 2 ^ 32 / index.width)
end

-- Check the types of the buckets that `added` entries may split, before any write.
local function check_growth(index, added)
  for bucket = index.split, splits_after(index, added) - 1 do
    check_type(index.whole .. numeral(bucket), 'hash')
    for part = bucket * 8, bucket * 8 + 7 do
      check_type(index.parts .. numeral(part), 'hash')
    end
  end
end

-- Count added entries and split buckets accordingly.
local function grow(index, added)
  if added == 0 then
    return
  end
  redis.call('HINCRBY', index.sizes, index.family, added)
  for bucket = index.split, splits_after(index, added) - 1 do
    local whole = index.whole .. numeral(bucket)
    local all, parts = redis.call('HGETALL', whole), {}
    for i = 1, #all, 2 do
      local part = floor(hash_of(all[i]) / index.part_width)
      local fields = parts[part]
      if not fields then
        fields = {}
        parts[part] = fields
      end
      fields[#fields + 1] = all[i]
      fields[#fields + 1] = all[i + 1]
    end
    for part, fields in pairs(parts) do
      redis.call('HSET', index.parts .. numeral(part), unpack(fields))
    end
    redis.call('UNLINK', whole)
  end
end
