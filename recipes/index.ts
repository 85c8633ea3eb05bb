import type { Recipe } from "rondo/recipe";
import { recipe as bilstm } from "./bilstm.js";
import { recipe as doubleLstm } from "./double-lstm.js";
import { recipe as simpleRnn } from "./simple-rnn.js";
import { recipe as stackedLstm } from "./stacked-lstm.js";

export const recipes: readonly Recipe[] = [doubleLstm, bilstm, simpleRnn, stackedLstm];
