#!lua flags=no-writes
-- Which of some entries a room's log lacks.
-- KEYS meta, log, ids
-- ARGV for each entry: kind, id of its message, its number and ts
-- Answers {epoch ('' for none), the last number, place of a missing one, from 1...}.
local meta, log, ids = unpack(KEYS)
local m = redis.call('HMGET', meta, 'e', 't', 's')
local epoch, trimmed = m[1], tonumber(m[2]) or 0
local answer = { epoch or '', m[3] or '0' }

local function is_held(kind, id, seq, ts)
  -- A message may have been put back under another number.
  if kind == 'm' then seq = redis.call('HGET', ids, id) or seq end
  if tonumber(seq) <= trimmed then return true end
  local entry = redis.call('HGET', log, seq)
  if not entry then return false end
  local start = '{"type":"message","id":"' .. id .. '"'
  if kind == 'm' then return string.sub(entry, 1, #start) == start end
  local finish = ',"ts":' .. ts .. '}'
  return string.sub(entry, -#finish) == finish and string.find(entry, '"messageId":"' .. id .. '"', 1, true) ~= nil
end

for i = 1, #ARGV, 4 do
  if not epoch or not is_held(unpack(ARGV, i, i + 3)) then answer[#answer + 1] = tostring((i + 3) / 4) end
end
return answer
