-- Asks Keyway's guard about a request: http-request lua.keyway SCOPES, separated by "+".

local guard = os.getenv("KEYWAY_GUARD")
local audience = os.getenv("KEYWAY_AUDIENCE")
assert(guard and audience, "KEYWAY_GUARD and KEYWAY_AUDIENCE are set before this script is loaded")
local resource_server = os.getenv("KEYWAY_RESOURCE_SERVER")

-- What the guard needs to see of the client's request.
local asked_with = { "authorization", "x-api-key", "dpop" }
-- What the client gets to see of a refusal.
local answered_with = {
    "content-type", "www-authenticate", "retry-after", "cache-control", "x-request-id",
    "ratelimit-policy", "ratelimit", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset",
}

local function values(header)
    local list = {}
    for _, value in pairs(header or {}) do
        list[#list + 1] = value
    end
    return list
end

local function refuse(txn, status, headers, body)
    local reply = txn:reply({ status = status })
    for name, list in pairs(headers) do
        for _, value in ipairs(list) do
            reply:add_header(name, value)
        end
    end
    reply:set_body(body)
    txn:done(reply)
end

core.register_action("keyway", { "http-req" }, function(txn, scopes)
    local sent = txn.http:req_get_headers()
    local headers = {
        ["x-forwarded-for"] = { txn.f:src() },
        ["x-forwarded-method"] = { txn.f:method() },
        ["x-forwarded-uri"] = { txn.f:pathq() },
    }
    if sent["host"] then
        headers["x-forwarded-host"] = values(sent["host"])
    end
    if resource_server then
        headers["x-keyway-resource-server"] = { resource_server }
    end
    for _, name in ipairs(asked_with) do
        if sent[name] then
            headers[name] = values(sent[name])
        end
    end
    local url = guard .. "/guard/check?route=/v1&audience=" .. audience .. "&scope=" .. scopes
    local answer = core.httpclient():get({ url = url, headers = headers, timeout = 5000 })
    local status = answer and answer.status or 0
    if status == 200 then
        for name, header in pairs(answer.headers) do
            if name:sub(1, 9) == "x-keyway-" then
                local value = values(header)[1]
                if value and value ~= "" then
                    txn.http:req_set_header(name, value)
                end
            end
        end
        txn:set_var("txn.keyway_accepted", true)
        return
    end
    -- Anything but the guard's own refusal (a 503 may be HAProxy's): nobody gets through.
    local refused = answer and answer.headers and values(answer.headers["x-keyway-status"])[1]
    if refused ~= tostring(status) then
        refuse(txn, 503, { ["retry-after"] = { "1" }, ["cache-control"] = { "no-store" } }, "")
        return
    end
    local told = {}
    for _, name in ipairs(answered_with) do
        -- There may be two challenges.
        told[name] = values(answer.headers[name])
    end
    refuse(txn, status, told, answer.body or "")
end, 1)
