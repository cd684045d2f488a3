/** Imported for what it does, before modules whose loading would make the heap grow. */

import { holdYoungGeneration } from './heap.ts';

holdYoungGeneration();
