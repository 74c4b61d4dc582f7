-- What follows a position if the log covers it, else the last messages as they are now. Gives an empty room its epoch.
-- KEYS meta, log, ids, state, read markers
-- ARGV fresh epoch, expiry of an empty room ms, epoch of the position ('' for none), its number, entries before it that
--      are wanted too, most entries after it, most bytes of them, most messages, most bytes of them, most entries looked at
-- Answers {'resumed', epoch, head, trimmed, entry...} or {'snapshot', epoch, head, trimmed, entry, state...}, newest first.
local meta, log, ids, state, markers = unpack(KEYS)
local m = redis.call('HMGET', meta, 'e', 's', 't')
local epoch, head, trimmed = m[1], tonumber(m[2]) or 0, tonumber(m[3]) or 0
if not epoch then
  epoch, head, trimmed = ARGV[1], 0, 0
  redis.call('DEL', log, ids, state, markers)
  redis.call('HSET', meta, 'e', epoch, 's', 0, 't', 0, 'ts', 0)
end
if head == 0 then redis.call('PEXPIRE', meta, ARGV[2]) end

local function numbers(from, to, step)
  local all = {}
  for seq = from, to, step do all[#all + 1] = seq end
  return all
end

local function resume()
  local since, most, most_bytes = tonumber(ARGV[4]), tonumber(ARGV[6]), tonumber(ARGV[7])
  if ARGV[3] ~= epoch or since < trimmed or since > head then return nil end
  local answer, bytes, count = { 'resumed', epoch, tostring(head), tostring(trimmed) }, 0, 0
  local at, to = math.max(since - tonumber(ARGV[5]), trimmed) + 1, math.min(head, since + most)
  while at <= to do
    local upper = math.min(at + 63, to)
    local entries = redis.call('HMGET', log, unpack(numbers(at, upper, 1)))
    for i = 1, upper - at + 1 do
      local entry = entries[i]
      if not entry then return nil end
      if at + i - 1 > since then
        -- With the comma between it and the next.
        bytes, count = bytes + #entry + 1, count + 1
        if bytes > most_bytes and count > 1 then return answer end
      end
      answer[#answer + 1] = entry
    end
    at = upper + 1
  end
  return answer
end

local function snapshot()
  local most, most_bytes, looked_at = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
  local answer, bytes, count = { 'snapshot', epoch, tostring(head), tostring(trimmed) }, 0, 0
  local at, lowest = head, math.max(trimmed, head - looked_at) + 1
  while at >= lowest do
    local lower = math.max(at - 63, lowest)
    local entries = redis.call('HMGET', log, unpack(numbers(at, lower, -1)))
    for i = 1, at - lower + 1 do
      local entry = entries[i]
      if entry and string.sub(entry, 1, 17) == '{"type":"message"' then
        bytes, count = bytes + #entry, count + 1
        if count > most or (bytes > most_bytes and count > 1) then return answer end
        answer[#answer + 1] = entry
        answer[#answer + 1] = redis.call('HGET', state, at - i + 1) or ''
      end
    end
    at = lower - 1
  end
  return answer
end

return resume() or snapshot()
