DROP TABLE providers;
DROP TABLE provider_flows;
DROP TABLE connections;
