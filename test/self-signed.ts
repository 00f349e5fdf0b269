/** Certificates for tests outside of the door's own package. */
export {
  selfSigned,
  type SelfSigned,
} from "../packages/outbound/src/test-support/self-signed-certificate.ts";
