-- Makes members of all admins but one, and ends their login sessions.
-- KEYS admins  ARGV folded name that stays, prefixes of accounts, of the logins of an account, of logins
for _, folded in ipairs(redis.call('HKEYS', KEYS[1])) do
    if folded ~= ARGV[1] then
        if redis.call('EXISTS', ARGV[2] .. folded) == 1 then
            redis.call('HSET', ARGV[2] .. folded, 'role', 'member')
        end
        for _, token in ipairs(redis.call('ZRANGE', ARGV[3] .. folded, 0, -1)) do
            redis.call('DEL', ARGV[4] .. token)
        end
        redis.call('DEL', ARGV[3] .. folded)
        redis.call('HDEL', KEYS[1], folded)
    end
end
return 1
