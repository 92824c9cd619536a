-- The attempts that were under way when a process ended, for the bot that comes back to look for them.

-- what has begun and was not settled: few rows
CREATE INDEX deliveries_started ON deliveries (tenant, bot) WHERE outcome = 'started';
