-- Leases a number of a pool: reserve, renew, release. What has expired is free, whoever held it.
-- KEYS  pool: number -> when it expires; owners: number -> 'fencing token|owner'; fence: the last token
-- ARGV  'reserve', owner, ttl ms, first number, last number
--       'renew' or 'release', owner, ttl ms, number
-- Gives number and fencing token, or -1 and 0. An owner who reserves twice is given the same again.
local op, owner, ttl, first = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expired = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)
for i = 1, #expired do
  redis.call('ZREM', KEYS[1], expired[i])
  redis.call('HDEL', KEYS[2], expired[i])
end

local function held(number)
  local fence, by = string.match(redis.call('HGET', KEYS[2], number) or '', '^(%d+)|(.*)$')
  return by == owner and tonumber(fence)
end

if op == 'reserve' then
  local last = tonumber(ARGV[5])
  local taken = redis.call('ZRANGE', KEYS[1], 0, -1)
  local is_taken = {}
  for i = 1, #taken do
    local number = tonumber(taken[i])
    is_taken[number] = true
    local fence = number >= first and number <= last and held(taken[i])
    if fence then return { number, fence } end
  end
  for number = first, last do
    if not is_taken[number] then
      local fence = redis.call('INCR', KEYS[3])
      redis.call('ZADD', KEYS[1], now + ttl, number)
      redis.call('HSET', KEYS[2], number, fence .. '|' .. owner)
      return { number, fence }
    end
  end
  return { -1, 0 }
end

local fence = held(ARGV[4])
if not fence or not redis.call('ZSCORE', KEYS[1], ARGV[4]) then return { -1, 0 } end
if op == 'renew' then
  redis.call('ZADD', KEYS[1], 'XX', now + ttl, ARGV[4])
else
  redis.call('ZREM', KEYS[1], ARGV[4])
  redis.call('HDEL', KEYS[2], ARGV[4])
end
return { first, fence }
