#!lua flags=no-writes
-- Gives of each instance that lives when it was last heard and what it said of itself.
-- KEYS  index: incarnation -> last heartbeat
-- ARGV  ttl ms, what the key of an instance's hash starts with
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer = {}
local live = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. (now - tonumber(ARGV[1])), '+inf', 'WITHSCORES')
for i = 1, #live, 2 do
  local id, nonce = string.match(live[i], '^(.*)#(%x+)$')
  local known = redis.call('HMGET', ARGV[2] .. (id or ''), 'nonce', 'info')
  if known[1] and known[1] == nonce then
    answer[#answer + 1] = live[i + 1]
    answer[#answer + 1] = known[2]
  end
end
return answer
