#!lua flags=no-writes
-- Messages as they are now, from a number on, up or down.
-- KEYS meta, log, state
-- ARGV number (exclusive), step 1 or -1, most messages, most bytes of them, most entries looked at
-- Answers {'more' or 'end' or the number to go on from, entry, state...}, nearest to the number first.
local meta, log, state = unpack(KEYS)
local m = redis.call('HMGET', meta, 's', 't')
local head, trimmed = tonumber(m[1]) or 0, tonumber(m[2]) or 0
local step, most, most_bytes = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local at = math.max(math.min(tonumber(ARGV[1]), head + 1), trimmed) + step
local answer, bytes, count = { 'end' }, 0, 0
local left = tonumber(ARGV[5])
while at > trimmed and at <= head do
  if left <= 0 then
    answer[1] = tostring(at - step)
    return answer
  end
  local seqs, seq = {}, at
  while seq > trimmed and seq <= head and #seqs < math.min(64, left) do
    seqs[#seqs + 1] = seq
    seq = seq + step
  end
  local entries = redis.call('HMGET', log, unpack(seqs))
  for i = 1, #seqs do
    local entry = entries[i]
    if entry and string.sub(entry, 1, 17) == '{"type":"message"' then
      bytes, count = bytes + #entry, count + 1
      if count > most or (bytes > most_bytes and count > 1) then
        answer[1] = 'more'
        return answer
      end
      answer[#answer + 1] = entry
      answer[#answer + 1] = redis.call('HGET', state, seqs[i]) or ''
    end
  end
  at, left = seq, left - #seqs
end
return answer
