// @keyv/test-suite over @keyv/redis at REDIS. Run by vitest.
import KeyvRedis from '@keyv/redis';
import keyvTestSuite, { keyvIteratorTests } from '@keyv/test-suite';
import { Keyv } from 'keyv';
import * as test from 'vitest';

const store = () => new KeyvRedis(process.env.REDIS);
keyvTestSuite(test, Keyv, store);
keyvIteratorTests(test, Keyv, store);
