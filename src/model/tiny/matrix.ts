/** A weight matrix that maps `columns` inputs to `rows` outputs, in the order in which GGUF stores it. */
export class Matrix {
  readonly columns: number;
  readonly rows: number;
  readonly values: Float32Array;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
    this.values = new Float32Array(columns * rows);
  }

  /** How much the input `column` adds to the output `row`. */
  set(row: number, column: number, value: number): void {
    this.values[row * this.columns + column] = value;
  }
}
