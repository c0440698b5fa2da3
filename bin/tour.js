#!/usr/bin/env node
import { runEntry } from './node.js';

await runEntry('tour');
