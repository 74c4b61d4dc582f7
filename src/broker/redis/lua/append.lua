-- Numbers, logs and tells a batch of changes of one room, all of it or nothing.
-- KEYS meta, log, ids, state, read markers, rooms, done
-- ARGV room, channel, the frame up to its epoch, fresh epoch, most entries (0: all), greatest age ms (0: any),
--      expiry of the room's keys ms (0: never), name of the idem keys, ms a key is remembered, most emoji of a message,
--      number of the batch, above those before ('' when running it twice is harmless anyway), the epoch the log must
--      have ('' for any), an epoch in which this instance saw a number ('' for none) and that number, then for each
--      change its kind and
--      'm': id, message answered ('' for none), body           'e': id, user, text, body
--      'd': id, user, '1' for an admin, body                   'r': id, user, emoji, '1' for on, body
--      A body is the entry as JSON up to its number.
-- Answers 'moved' if the log has another epoch, or lost what this instance saw, or took a later batch of it, and has done
-- nothing then; else lines: the epoch, then one a change:
-- 'ok <seq> <ts>', 'dup <seq> <ts>' or why not.
local meta, log, ids, state, markers, rooms, done = unpack(KEYS)
local room, channel, frame, fresh = unpack(ARGV, 1, 4)
local most_entries, most_age, expiry = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local idem, period, most_emoji, number, expected = ARGV[8], tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11], ARGV[12]
local seen_epoch, seen = ARGV[13], tonumber(ARGV[14])

-- Changes other than messages have no id by which a second run finds them.
if number ~= '' then
  local before = redis.call('GET', done)
  local which, answer = string.match(before or '', '^(%d+)\n(.*)$')
  if which == number then
    -- A write, so that WAIT on this connection waits for what another may have written.
    redis.call('PEXPIRE', done, 600000)
    return answer
  end
  -- Numbers rise: this one was held up on a connection that is no more, and what came after it is not to be undone.
  if which and tonumber(which) > tonumber(number) then return 'moved' end
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local this_period = math.floor(now / period)
local idem_now, idem_before = idem .. ':' .. this_period, idem .. ':' .. (this_period - 1)

local m = redis.call('HMGET', meta, 'e', 's', 't', 'ts')
local epoch, head, trimmed, last = m[1], tonumber(m[2]) or 0, tonumber(m[3]) or 0, tonumber(m[4]) or 0
local lost = not epoch or (head > trimmed and redis.call('HEXISTS', log, head) == 0)
-- What the instance had logged before may be missing, and comes first.
if expected ~= '' and (lost or epoch ~= expected) then return 'moved' end
-- A number that was given is not given again in the same life.
if not lost and epoch == seen_epoch and head < seen then return 'moved' end
if lost then
  -- The log was lost: nothing that is left of it can be trusted.
  redis.call('DEL', meta, log, ids, state, markers, idem_now, idem_before)
  epoch, head, trimmed, last = fresh, 0, 0, 0
end
if head > trimmed and redis.call('EXISTS', ids) == 0 then
  -- Only where messages are was lost: without it a retry would be a second message. The log itself knows; the most
  -- that is looked at keeps Redis for about 40 ms.
  for first = math.max(trimmed, head - 20000) + 1, head, 500 do
    local list, found = {}, {}
    for seq = first, math.min(first + 499, head) do list[#list + 1] = seq end
    for n, entry in ipairs(redis.call('HMGET', log, unpack(list))) do
      local id = entry and string.match(entry, '^{"type":"message","id":"([^"]+)"')
      if id then
        found[#found + 1] = id
        found[#found + 1] = list[n]
      end
    end
    if #found > 0 then redis.call('HSET', ids, unpack(found)) end
  end
end
now = math.max(now, last)
local empty_before = head == 0

local told, log_pairs, id_pairs = {}, {}, {}
local seq_text, ts_text = '', tostring(now)
local finish = ',"ts":' .. ts_text .. '}'
local function add(body)
  head, last = head + 1, now
  seq_text = tostring(head)
  local entry = body .. ',"seq":' .. seq_text .. finish
  log_pairs[#log_pairs + 1] = seq_text
  log_pairs[#log_pairs + 1] = entry
  told[#told + 1] = entry
end

-- Writes what was added; before anything is looked for that may be among it.
local function flush()
  if #log_pairs > 0 then redis.call('HSET', log, unpack(log_pairs)) end
  if #id_pairs > 0 then redis.call('HSET', ids, unpack(id_pairs)) end
  log_pairs, id_pairs = {}, {}
end

-- Looked for at the end only: a pattern is tried from each place on.
local function ts_of(entry) return tonumber(string.match(string.sub(entry, -24), ',"ts":(%d+)}$')) end

-- The number and entry of a message that the log holds.
local function held(id)
  local seq = tonumber(redis.call('HGET', ids, id))
  if not seq or seq <= trimmed then return nil end
  local entry = redis.call('HGET', log, seq)
  local start = '{"type":"message","id":"' .. id .. '"'
  if entry and string.sub(entry, 1, #start) == start then return seq, entry end
end

local arguments = { m = 3, e = 4, d = 4, r = 5 }
local first_change = 15

-- Where the messages of the batch may be found, asked for all at once; and what the batch itself said so far.
local in_log, in_idem, said = {}, {}, {}
do
  local list, i = {}, first_change
  while ARGV[i] do
    if ARGV[i] == 'm' then list[#list + 1] = ARGV[i + 1] end
    i = i + 1 + arguments[ARGV[i]]
  end
  local function ask(key, into)
    local found = redis.call('HMGET', key, unpack(list))
    for n = 1, #list do into[list[n]] = found[n] or into[list[n]] end
  end
  if #list > 0 then
    ask(ids, in_log)
    if trimmed > 0 then
      ask(idem_before, in_idem)
      ask(idem_now, in_idem)
    end
  end
end

-- What became of a message that was trimmed while its key is remembered.
local function remembered(id)
  local seq, ts = string.match(in_idem[id] or '', '^(%d+):(%d+)$')
  seq = tonumber(seq)
  if seq and seq <= trimmed then return seq, ts end
end

-- What messages are now: read once and written once, however often the batch changes one, since that of a message to
-- which thousands reacted is large.
local states, changed = {}, {}
local function state_of(seq)
  if not states[seq] then
    local json = redis.call('HGET', state, seq)
    states[seq] = json and cjson.decode(json) or {}
  end
  return states[seq]
end
local function keep(seq, s)
  states[seq], changed[seq] = s, true
end

-- Writes an entry without its text; kind, id and number stay where they are looked for.
local function redact(seq, entry, id_field)
  local e = cjson.decode(entry)
  local start = '{"type":"' .. e.type .. '","' .. id_field .. '":"' .. e[id_field] .. '",'
  local numbers = ',"seq":' .. seq .. ',"ts":' .. ts_of(entry) .. '}'
  e.text, e.deleted = '', true
  e.type, e[id_field], e.seq, e.ts = nil, nil, nil, nil
  redis.call('HSET', log, seq, start .. string.sub(cjson.encode(e), 2, -2) .. numbers)
end

local answers, repeated = { epoch }, false
local function logged() answers[#answers + 1] = 'ok ' .. seq_text .. ' ' .. ts_text end
local function duplicate(seq, ts)
  repeated = true
  answers[#answers + 1] = 'dup ' .. seq .. ' ' .. ts
end
local function refuse(why) answers[#answers + 1] = why end

local function say(id, answered, body)
  if said[id] then return duplicate(said[id], now) end
  if in_log[id] then
    local seq, entry = held(id)
    if seq then return duplicate(seq, ts_of(entry)) end
  end
  local seq, ts = remembered(id)
  if seq then return duplicate(seq, ts) end
  if answered ~= '' and not said[answered] and not held(answered) then return refuse('not_found') end
  add(body)
  said[id] = head
  id_pairs[#id_pairs + 1] = id
  id_pairs[#id_pairs + 1] = seq_text
  logged()
end

local function edit(id, user, text, body)
  local seq, entry = held(id)
  local message = seq and cjson.decode(entry)
  if not seq or message.deleted then return refuse('not_found') end
  if message.from.id ~= user then return refuse('forbidden') end
  local s = state_of(seq)
  if (s.text or message.text) == text then return duplicate(head, last) end
  add(body)
  local edits = { head }
  for _, earlier in ipairs(s.edits or {}) do
    if earlier > trimmed then edits[#edits + 1] = earlier end
  end
  s.text, s.editedTs, s.edits = text, now, edits
  keep(seq, s)
  logged()
end

local function delete(id, user, admin, body)
  local seq, entry = held(id)
  if not seq then return refuse('not_found') end
  local message = cjson.decode(entry)
  if message.from.id ~= user and admin ~= '1' then return refuse('forbidden') end
  if message.deleted then return duplicate(head, last) end
  redact(seq, entry, 'id')
  for _, at in ipairs(state_of(seq).edits or {}) do
    local edited = redis.call('HGET', log, at)
    if edited then redact(at, edited, 'messageId') end
  end
  keep(seq, {})
  add(body)
  logged()
end

local function react(id, user, emoji, on, body)
  local seq, entry = held(id)
  if not seq or cjson.decode(entry).deleted then return refuse('not_found') end
  local s = state_of(seq)
  local reactions, at, who = s.reactions or {}, nil, nil
  for i, reaction in ipairs(reactions) do
    if reaction[1] == emoji then
      at = i
      for j, other in ipairs(reaction[2]) do
        if other == user then who = j end
      end
    end
  end
  if (who ~= nil) == (on == '1') then return duplicate(head, last) end
  if who then
    table.remove(reactions[at][2], who)
    if #reactions[at][2] == 0 then table.remove(reactions, at) end
  elseif at then
    table.insert(reactions[at][2], user)
  elseif #reactions >= most_emoji then
    return refuse('emoji')
  else
    reactions[#reactions + 1] = { emoji, { user } }
  end
  add(body)
  -- An empty table would be written as an object.
  if #reactions > 0 then s.reactions = reactions else s.reactions = nil end
  keep(seq, s)
  logged()
end

local does = { m = say, e = edit, d = delete, r = react }
local i = first_change
while ARGV[i] do
  local kind = ARGV[i]
  if kind ~= 'm' then flush() end
  does[kind](unpack(ARGV, i + 1, i + arguments[kind]))
  i = i + 1 + arguments[kind]
end
flush()
for seq in pairs(changed) do
  local s = states[seq]
  if next(s) then redis.call('HSET', state, seq, cjson.encode(s)) else redis.call('HDEL', state, seq) end
end

-- Takes away what is too much or too old; the rest of very much at the next append.
local function trim()
  local seqs, messages, old_ids, records = {}, {}, {}, {}
  local function go()
    while #seqs < 1000 do
      local over = most_entries > 0 and head - trimmed - most_entries or 0
      if over <= 0 and (most_age == 0 or trimmed >= head) then return end
      local list = {}
      for seq = trimmed + 1, trimmed + math.max(1, math.min(64, over)) do list[#list + 1] = seq end
      for n, entry in ipairs(redis.call('HMGET', log, unpack(list))) do
        if entry then
          local ts = ts_of(entry)
          if over <= 0 and now - ts <= most_age then return end
          local id = string.match(entry, '^{"type":"message","id":"([^"]+)"')
          if id then
            messages[#messages + 1] = list[n]
            old_ids[#old_ids + 1] = id
            if now - ts < period then
              records[#records + 1] = id
              records[#records + 1] = list[n] .. ':' .. ts
            end
          end
        end
        trimmed = list[n]
        seqs[#seqs + 1] = trimmed
      end
    end
  end
  go()
  if #seqs > 0 then redis.call('HDEL', log, unpack(seqs)) end
  if #old_ids > 0 then
    redis.call('HDEL', ids, unpack(old_ids))
    if redis.call('EXISTS', state) == 1 then redis.call('HDEL', state, unpack(messages)) end
  end
  if #records > 0 then
    redis.call('HSET', idem_now, unpack(records))
    redis.call('PEXPIRE', idem_now, 2 * period)
  end
end

local answer = table.concat(answers, '\n')
if #told > 0 then
  trim()
  redis.call('HSET', meta, 'e', epoch, 's', head, 't', trimmed, 'ts', last)
  if expiry > 0 then
    for key = 1, 4 do redis.call('PEXPIRE', KEYS[key], expiry) end
  elseif empty_before then
    redis.call('PERSIST', meta)
  end
  redis.call('ZADD', rooms, 0, room)
  if number ~= '' then redis.call('SET', done, number .. '\n' .. answer, 'PX', 600000) end
  -- Last: should it fail, the log is right, and whoever missed it reads it there.
  redis.call('PUBLISH', channel, frame .. epoch .. '","entries":[' .. table.concat(told, ',') .. ']}')
elseif repeated then
  -- A write, as above.
  redis.call('HSET', meta, 'ts', last)
end
return answer
