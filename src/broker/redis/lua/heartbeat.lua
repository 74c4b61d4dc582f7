-- An instance says that it lives.
-- KEYS  the instance's hash, index: incarnation -> last heartbeat
-- ARGV  id, nonce, ttl ms, info, then the nonce and heartbeat of another holder of the id that is to be replaced, or ''
-- Gives OK, NEW (nobody held the id, or the other was replaced) or TAKEN (another holds it), the nonce and last heartbeat of
-- the holder, the time, and how many live.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local holder = redis.call('HMGET', KEYS[1], 'nonce', 'hb')
local nonce, heard = holder[1], holder[2]
local alive = '(' .. (now - tonumber(ARGV[3]))
if nonce and nonce ~= ARGV[2] then
  if nonce ~= ARGV[5] or heard ~= ARGV[6] then
    return { 'TAKEN', nonce, heard or '0', now, redis.call('ZCOUNT', KEYS[2], alive, '+inf') }
  end
  redis.call('ZREM', KEYS[2], ARGV[1] .. '#' .. nonce)
end
redis.call('HSET', KEYS[1], 'nonce', ARGV[2], 'hb', string.format('%d', now), 'info', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[2], now, ARGV[1] .. '#' .. ARGV[2])
local status = nonce == ARGV[2] and 'OK' or 'NEW'
return { status, ARGV[2], string.format('%d', now), now, redis.call('ZCOUNT', KEYS[2], alive, '+inf') }
