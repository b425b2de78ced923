export { decide, type Decision, type ResidencyLimits, type Resident, type Wish } from "./residency.ts";
